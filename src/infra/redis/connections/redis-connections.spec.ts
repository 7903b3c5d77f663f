import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { bulk, FaultyRedis } from '../../../../test/support/faulty-redis.js';
import { redisSettings } from '../../../../test/support/redis-settings.js';
import { until } from '../../../../test/support/until.js';
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

  describe('behind Sentinels', () => {
    const addressOf = (port: number): string => `*2\r\n${bulk('127.0.0.1')}${bulk(String(port))}`;

    /** Sentinels whose answer to the question for the master is `master`. */
    async function behind(master: string, work: (sut: RedisConnections, sentinel: FaultyRedis) => Promise<void>) {
      const sentinel = new FaultyRedis((command, question) => {
        if (command === 'SUBSCRIBE') return `*3\r\n${bulk('subscribe')}${bulk(question)}:1\r\n`;
        return question === 'sentinels' ? '*0\r\n' : master;
      });
      const port = await sentinel.listen();
      const environment = {
        REDIS_TOPOLOGY: 'sentinel',
        REDIS_SENTINEL_MASTER: 'data',
        REDIS_SENTINEL_PASSWORD: 's3cret',
      };
      const sut = new RedisConnections(redisSettings(`redis://brain:s3cret@127.0.0.1:${port}`, environment));
      try {
        await sut.open();
        await work(sut, sentinel);
      } finally {
        await sut.close();
        sentinel.close();
      }
      expect(lines.join('\n')).not.toContain('s3cret');
    }

    it.each(['READONLY You cannot write', 'MASTERDOWN Link is down', 'LOADING Redis is loading'])(
      'asks them anew when the server answers that it is not the master: %s',
      async (refusal) => {
        const server = new FaultyRedis((command) => {
          if (command === 'INFO') return bulk('role:master\r\n');
          return command === 'SET' ? `-${refusal}\r\n` : '+OK\r\n';
        });
        await behind(addressOf(await server.listen()), async (sut, sentinel) => {
          const [connections, questions] = [server.attempts, sentinel.attempts];

          await expect(sut.commands.set('key', 'value')).rejects.toThrow(refusal);
          await server.untilAttempts(connections + 1);

          expect(sentinel.attempts).toBeGreaterThan(questions);
          expect(lines.filter((line) => line.startsWith('warn: No connection'))).toEqual([
            expect.stringContaining(refusal),
          ]);
        });
        server.close();
      },
    );

    it('says once that they know no such server, and what to set', async () => {
      await behind('*-1\r\n', async (sut, sentinel) => {
        await sentinel.untilAttempts(6);

        await expect(sut.ping()).rejects.toThrow();
        expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
          expect.stringMatching(/No connection to Redis at 127\.0\.0\.1:\d+.*REDIS_SENTINEL_MASTER/),
        ]);
      });
    });

    it('says once that what was named is no Sentinel, and what to set', async () => {
      await behind("-ERR unknown command 'sentinel'\r\n", async (_, sentinel) => {
        await sentinel.untilAttempts(6);

        expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
          expect.stringMatching(/it is not a Sentinel; .*REDIS_TOPOLOGY/),
        ]);
      });
    });
  });

  it.each([
    ['hangs up', undefined],
    ['refuses the password', '-WRONGPASS invalid username-password pair or user is disabled.\r\n'],
  ])('tells an outage once, however often it tries, and never the password: server %s', async (_, reply) => {
    const server = new FaultyRedis(() => reply);
    const port = await server.listen();
    const sut = new RedisConnections(redisSettings(`redis://brain:s3cret@127.0.0.1:${port}`));

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
    const sut = new RedisConnections(redisSettings(`redis://127.0.0.1:${port}`));

    // Both would wait for as long as there is no server.
    await sut.open();
    await expect(sut.ping()).rejects.toThrow();

    await sut.close();
  });

  it('says once that what was named is no node of a cluster, and what to set', async () => {
    const server = new FaultyRedis((command) =>
      command === 'CLUSTER' ? '-ERR This instance has cluster support disabled\r\n' : bulk('role:master\r\n'),
    );
    const port = await server.listen();
    const sut = new RedisConnections(redisSettings(`redis://127.0.0.1:${port}`, { REDIS_TOPOLOGY: 'cluster' }));

    await sut.open();
    await server.untilAttempts(6);

    await expect(sut.ping()).rejects.toThrow();
    await expect(sut.commands.get('key')).rejects.toThrow();
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
      expect.stringMatching(/No connection to Redis at .*not a node of a cluster; set REDIS_TOPOLOGY=single/),
    ]);
    await sut.close();
    server.close();
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
      const sut = new RedisConnections(redisSettings(`redis://127.0.0.1:${await server.listen()}`));
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

    it('refuses a cluster of which one master is too old', async () => {
      const ports: number[] = [];
      const slotsOf = (from: number, to: number, port = 0): string =>
        `*3\r\n:${from}\r\n:${to}\r\n*3\r\n${bulk('127.0.0.1')}:${port}\r\n${bulk(`node-${port}`)}`;
      const servers = ['8.0.2', '7.0.15'].map(
        (version) =>
          new FaultyRedis((command) => {
            if (command === 'INFO') return bulk(`redis_version:${version}\r\nredis_mode:cluster\r\n`);
            if (command === 'CLUSTER') return `*2\r\n${slotsOf(0, 8_000, ports[0])}${slotsOf(8_001, 16_383, ports[1])}`;
            return command === 'COMMAND' ? forbidden : '+OK\r\n';
          }),
      );
      for (const server of servers) ports.push(await server.listen());
      const url = `redis://127.0.0.1:${ports[0]!}`;
      const sut = new RedisConnections(redisSettings(url, { REDIS_TOPOLOGY: 'cluster' }));
      try {
        await sut.open();
        await expect(sut.assertVectorSets()).rejects.toThrow(/Redis 7\.0\.15/);
        await until(() => lines.some((line) => line.startsWith('error')), 'the finding is told');
        expect(lines.filter((line) => line.startsWith('error'))).toEqual([
          expect.stringMatching(new RegExp(`Redis 7\\.0\\.15 is too old.*127\\.0\\.0\\.1:${ports[1]!}`)),
        ]);
      } finally {
        await sut.close();
        for (const server of servers) server.close();
      }
    });

    it('refuses a Sentinel that is taken for a server', async () => {
      await expect(ask('8.0.2\r\nredis_mode:sentinel', unknown)).rejects.toMatchObject({
        code: 'REDIS_UNSUPPORTED',
        message: expect.stringContaining('REDIS_TOPOLOGY=sentinel') as unknown,
      });
    });

    it('has nothing to say about one that cannot be reached', async () => {
      const server = new FaultyRedis();
      const port = await server.listen();
      server.close();
      const sut = new RedisConnections(redisSettings(`redis://127.0.0.1:${port}`));
      await sut.open();

      await expect(sut.assertVectorSets()).resolves.toBeUndefined();

      await sut.close();
    });
  });
});
