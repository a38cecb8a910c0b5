/** Run by `serveHandover`: its IPC channel is the connection of the process that takes the sockets; they are its descriptors from 4 on. */
import { adoptSocket } from "./listening-socket.ts";

const names = process.argv.slice(2);
let left = names.length;
for (const [index, name] of names.entries()) {
  // A bare handle isn't accepted on by the receiver, where a net.Server would be.
  process.send?.({ socket: name, of: names.length }, adoptSocket(4 + index) as never, {}, () => {
    left -= 1;
    if (left === 0) process.disconnect();
  });
}
