/** Run by `serveHandover`: its IPC channel is the connection of the process that takes the sockets; they are its descriptors from 4 on. */
import { adoptSocket } from "./listening-socket.ts";

const names = process.argv.slice(2);
/** As in Node's documentation: message, handle, options, callback. Its types know no bare handles. */
type Send = (message: object, handle: unknown, options: object, done: () => void) => void;
const send = process.send?.bind(process) as Send | undefined;
if (send === undefined || process.disconnect === undefined) throw new Error("Start it with an IPC channel");
const disconnect = process.disconnect.bind(process);
// The channel stays open until the taker says that it has all: what it has not listened for yet would be lost with the channel.
process.once("message", disconnect);
process.once("disconnect", () => process.exit(0));
for (const [index, name] of names.entries()) {
  // A bare handle isn't accepted on by the receiver, where a net.Server would be.
  send({ socket: name, of: names.length }, adoptSocket(4 + index), {}, () => {});
}
