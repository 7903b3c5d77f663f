import type { Redis } from 'ioredis';
import { TickCork } from '../../../shared/index.js';

/**
 * Sends the commands of one tick of the event loop in one write. The driver writes each command by itself, and that
 * system call costs more than everything else about a command, here and, for the reads that it causes, at the server.
 */
export function batchWrites(client: Redis): void {
  client.on('connect', () => {
    const socket = client.stream;
    const cork = new TickCork(socket);
    const write: typeof socket.write = socket.write.bind(socket);
    socket.write = ((...args: Parameters<typeof socket.write>) => {
      cork.hold();
      return write(...args);
    }) as typeof socket.write;
  });
}
