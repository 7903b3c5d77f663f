import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import tls from 'node:tls';
import { RedisConnections } from '../../../src/infra/redis/index.js';
import { newId } from '../../../src/shared/index.js';
import { TestCluster } from '../../support/redis-cluster.js';
import { SentinelGroup } from '../../support/redis-sentinel.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { redisSettings } from '../../support/redis-settings.js';
import { makeTlsFiles, type TlsFiles } from '../../support/tls-files.js';

describe('Redis with TLS', () => {
  const trusted = tls.getCACertificates('default');
  const lines: string[] = [];
  let files: TlsFiles;

  beforeAll(async () => {
    files = await makeTlsFiles();
  });

  beforeEach(() => {
    lines.length = 0;
    for (const level of ['log', 'warn', 'error', 'debug'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((message: unknown) => {
        lines.push(`${level}: ${String(message)}`);
      });
    }
  });

  afterEach(() => {
    tls.setDefaultCACertificates(trusted);
    jest.restoreAllMocks();
  });

  afterAll(async () => {
    await files.remove();
  });

  /** What NODE_EXTRA_CA_CERTS does at the start of a process. */
  const trustTheAuthority = (): void => {
    tls.setDefaultCACertificates([...trusted, files.authority]);
  };

  /** Writes, reads and waits, as the adapters do. */
  async function use(environment: NodeJS.ProcessEnv): Promise<void> {
    const connections = new RedisConnections(redisSettings(environment.REDIS_URL ?? '', environment));
    try {
      await connections.open();
      for (const key of Array.from({ length: 8 }, () => newId())) {
        await connections.commands.set(key, 'kept');
        expect(await connections.commands.get(key)).toBe('kept');
      }
      const waiting = { key: 'nothing', signal: new AbortController().signal, timeoutMs: 5_000 };
      expect(await connections.runBlocking((client) => client.blpop('nothing', 0.01), waiting)).toBeNull();
      expect(lines.filter((line) => line.includes('No connection'))).toEqual([]);
    } finally {
      await connections.close();
    }
  }

  describe('on one server', () => {
    let server: RedisServer;

    beforeAll(async () => {
      server = await startRedis({ tls: files });
    }, 180_000);

    afterAll(async () => {
      await server.stop();
    });

    it('is spoken to where its authority is trusted', async () => {
      trustTheAuthority();
      await use({ REDIS_URL: server.url });
    });

    it('is refused where it is not, which is said once with what to do', async () => {
      const sut = new RedisConnections(redisSettings(server.url.replace('//', '//brain:s3cret@')));
      try {
        await sut.open();
        // A second and third attempt come within a second.
        await new Promise((resolve) => setTimeout(resolve, 1_000));

        await expect(sut.ping()).rejects.toThrow();
        expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
          expect.stringMatching(
            /No connection to Redis at 127\.0\.0\.1:\d+.* certificate is not trusted .*NODE_EXTRA_CA_CERTS/,
          ),
        ]);
        expect(lines.join('\n')).not.toContain('s3cret');
      } finally {
        await sut.close();
      }
    });
  });

  it('is spoken to behind Sentinels that have it as well', async () => {
    const group = await SentinelGroup.start(files);
    try {
      trustTheAuthority();
      await use(group.environment);
    } finally {
      await group.stop();
    }
  });

  it('is spoken to on every node of a cluster', async () => {
    const cluster = await TestCluster.start({ tls: files });
    try {
      trustTheAuthority();
      await use(cluster.environment);
    } finally {
      await cluster.stop();
    }
  });
});
