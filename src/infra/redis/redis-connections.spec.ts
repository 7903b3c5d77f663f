import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { RedisConnections } from './redis-connections.js';

/** A server that hangs up, or answers every command with an error. */
class RefusingServer {
  attempts = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(private readonly reply?: string) {
    this.server = createServer((socket) => {
      this.attempts += 1;
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      if (this.reply === undefined) socket.destroy();
      else socket.on('data', () => socket.write(`-${this.reply}\r\n`));
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

describe(RedisConnections.name, () => {
  const lines: string[] = [];

  beforeEach(() => {
    lines.length = 0;
    for (const level of ['log', 'warn', 'error', 'debug'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((message: unknown) => {
        lines.push(`${level}: ${String(message)}`);
      });
    }
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each([
    ['hangs up', undefined],
    ['refuses the password', 'WRONGPASS invalid username-password pair or user is disabled.'],
  ])('tells an outage once, however often it tries, and never the password: server %s', async (_, reply) => {
    const server = new RefusingServer(reply);
    const port = await server.listen();
    const sut = new RedisConnections(`redis://brain:s3cret@127.0.0.1:${port}`);

    await sut.open();
    await server.untilAttempts(6);

    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
      expect.stringContaining(`No connection to Redis at 127.0.0.1:${port}`),
    ]);
    expect(lines.join('\n')).not.toContain('s3cret');
    await sut.close();
    server.close();
  });

  it('does not hold up the start, and fails commands at once, while there is no server', async () => {
    const server = new RefusingServer();
    const port = await server.listen();
    server.close();
    const sut = new RedisConnections(`redis://127.0.0.1:${port}`);
    const start = performance.now();

    await sut.open();
    await expect(sut.ping()).rejects.toThrow();

    expect(performance.now() - start).toBeLessThan(1_500);
    await sut.close();
  });
});
