import { bindSocket, parseHostPort } from "../lib/listening-socket.ts";

/** Whether `host:port` can be bound now. */
export async function portIsFree(address: string): Promise<boolean> {
  const { host, port } = parseHostPort(address);
  try {
    bindSocket(host, port).close();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "EADDRINUSE") return false;
    throw error;
  }
}
