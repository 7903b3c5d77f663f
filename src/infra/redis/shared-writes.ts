import type { Redis } from 'ioredis';

/**
 * Commands of one turn of the event loop go to the server in one write. The driver writes each for itself, and that call of
 * the kernel costs more than all else about a command, here and, for the reads that it makes necessary, at the server.
 */
export function shareWrites(client: Redis): void {
  client.on('connect', () => {
    const socket = client.stream;
    const write: typeof socket.write = socket.write.bind(socket);
    let isHeld = false;
    socket.write = ((...args: Parameters<typeof socket.write>) => {
      if (!isHeld) {
        isHeld = true;
        socket.cork();
        setImmediate(() => {
          isHeld = false;
          socket.uncork();
        });
      }
      return write(...args);
    }) as typeof socket.write;
  });
}
