import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bulk, FaultyRedis } from '../support/faulty-redis.js';
import { ChildProgram } from '../../bench/load/child-program.js';

/** What a start that failed leaves on the screen, and its exit code. */
async function failToStart(environment: NodeJS.ProcessEnv): Promise<{ exitCode: number | string; screen: string }> {
  const program = ChildProgram.start('brain', environment);
  const exitCode = await program.ended();
  return { exitCode, screen: program.rawOutput.join('\n') };
}

describe('a start that cannot succeed', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'start-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('lists every wrong setting', async () => {
    const { exitCode, screen } = await failToStart({ PORT: 'eighty', VORPAL_URL: 'nowhere' });
    expect(exitCode).toBe(1);
    expect(screen).toMatch(/CONFIG_INVALID: 2 settings are wrong.*\n {2}PORT: .*\n {2}VORPAL_URL: /);
  });

  it('names a wrong setting of the local Vorpal that it would start, too', async () => {
    const { exitCode, screen } = await failToStart({ LOCAL_VORPAL_SEQUENCES: 'many', BRAIN_DATA_DIR: folder });
    expect(exitCode).toBe(1);
    expect(screen).toMatch(/CONFIG_INVALID: One setting is wrong.*\n {2}LOCAL_VORPAL_SEQUENCES: /);
    expect(screen).not.toContain('restarting');
  });

  it('names a port that is taken and leaves no local Vorpal behind', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { exitCode, screen } = await failToStart({ PORT: String(port), BRAIN_DATA_DIR: folder });
    other.close();
    expect(exitCode).toBe(1);
    expect(screen).toContain('Another program uses this port; stop it or set PORT to another one.');
    expect(screen).not.toContain('    at ');
  });

  it('names a data folder that cannot be used', async () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const { exitCode, screen } = await failToStart({ BRAIN_DATA_DIR: join(file, 'below') });
    expect(exitCode).toBe(1);
    expect(screen).toMatch(/STORAGE_CONFIGURATION: .*BRAIN_DATA_DIR/);
    expect(screen).not.toContain('    at ');
  });

  it('names a Redis that cannot hold memories', async () => {
    const redis = new FaultyRedis((command) =>
      command === 'INFO' ? bulk('redis_version:7.0.15\r\nredis_mode:standalone\r\n') : '+OK\r\n',
    );
    const { exitCode, screen } = await failToStart({
      REDIS_URL: `redis://127.0.0.1:${await redis.listen()}`,
      BRAIN_DATA_DIR: folder,
    });
    redis.close();
    expect(exitCode).toBe(1);
    expect(screen).toMatch(/REDIS_UNSUPPORTED: .*7\.0\.15.*Redis 8/);
    expect(screen).not.toContain('    at ');
  });
});
