import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { bulk, FaultyRedis } from '../../../test/support/faulty-redis.js';
import { RedisConnections } from './redis-connections.js';

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
    ['refuses the password', '-WRONGPASS invalid username-password pair or user is disabled.\r\n'],
  ])('tells an outage once, however often it tries, and never the password: server %s', async (_, reply) => {
    const server = new FaultyRedis(() => reply);
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
    const server = new FaultyRedis();
    const port = await server.listen();
    server.close();
    const sut = new RedisConnections(`redis://127.0.0.1:${port}`);
    const start = performance.now();

    await sut.open();
    await expect(sut.ping()).rejects.toThrow();

    expect(performance.now() - start).toBeLessThan(1_500);
    await sut.close();
  });

  describe('asked whether the server can hold memories', () => {
    const unknown = '*1\r\n*-1\r\n';
    const known = '*1\r\n*1\r\n$4\r\nvadd\r\n';
    const forbidden = "-NOPERM this user has no permissions to run the 'command' command\r\n";

    async function ask(version: string, aboutCommand: string): Promise<void> {
      const server = new FaultyRedis((command) => {
        if (command === 'INFO') return bulk(`# Server\r\nredis_version:${version}\r\n`);
        return command === 'COMMAND' ? aboutCommand : '+OK\r\n';
      });
      const sut = new RedisConnections(`redis://127.0.0.1:${await server.listen()}`);
      await sut.open();
      try {
        await sut.assertVectorSets();
      } finally {
        await sut.close();
        server.close();
      }
    }

    it.each([
      ['is too old', '7.0.15', unknown],
      ['is too old and forbids to ask for its commands', '7.0.15', forbidden],
      ['has no vector sets', '8.0.2', unknown],
    ])('refuses one that %s, and says what to do', async (_, version, aboutCommand) => {
      await expect(ask(version, aboutCommand)).rejects.toMatchObject({
        code: 'REDIS_UNSUPPORTED',
        httpStatus: 500,
        transient: false,
        message: expect.stringMatching(new RegExp(`Redis ${version}, .*Redis 8 or later.*Upgrade it`)) as unknown,
      });
    });

    it.each([
      ['has vector sets', known],
      ['is new enough and forbids to ask for its commands', forbidden],
    ])('takes one that %s', async (_, aboutCommand) => {
      await expect(ask('8.0.2', aboutCommand)).resolves.toBeUndefined();
    });

    it('has nothing to say about one that cannot be reached', async () => {
      const server = new FaultyRedis();
      const port = await server.listen();
      server.close();
      const sut = new RedisConnections(`redis://127.0.0.1:${port}`);
      await sut.open();

      await expect(sut.assertVectorSets()).resolves.toBeUndefined();

      await sut.close();
    });
  });
});
