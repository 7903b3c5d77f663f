import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** The answer to a command and its first argument, as it goes over the wire; `undefined`: the server hangs up. */
export type Reply = (command: string, argument: string) => string | undefined;

export const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

const COMMAND = /\*\d+\r\n\$\d+\r\n(\w+)(?:\r\n\$\d+\r\n([^\r]*))?/g;

/** A server with the fault that a test is about. */
export class FaultyRedis {
  attempts = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(reply: Reply = () => undefined) {
    this.server = createServer((socket) => {
      this.attempts += 1;
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        for (const [, name = '', argument = ''] of data.toString().matchAll(COMMAND)) {
          const answer = reply(name.toUpperCase(), argument);
          if (answer === undefined) socket.destroy();
          else socket.write(answer);
        }
      });
      this.server.emit('attempt');
    });
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  async untilAttempts(count: number): Promise<void> {
    while (this.attempts < count) await once(this.server, 'attempt');
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
