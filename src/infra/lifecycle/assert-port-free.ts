import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Throws the system's error where the address cannot be listened on, before anything else is begun that a start which
 * must fail would have to undo. It may be taken afterwards all the same.
 */
export async function assertPortFree(port: number, host: string): Promise<void> {
  const server = createServer((socket) => socket.destroy()).listen(port, host);
  // Rejects with an 'error' that comes first.
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}
