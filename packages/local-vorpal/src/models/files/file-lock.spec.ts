import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { withFileLock } from './file-lock.js';

const SOURCE = fileURLToPath(new URL('./file-lock.ts', import.meta.url));
const LOADER = new URL('../../../../../test/support/typescript-source.mjs', import.meta.url).href;

/** A second process that takes the lock, prints `held`, and keeps it until its stdin ends. */
async function holdInAnotherProcess(path: string) {
  const program = `
    import { withFileLock } from ${JSON.stringify(SOURCE)};
    const signal = new AbortController().signal;
    await withFileLock(${JSON.stringify(path)}, { signal }, async () => {
      console.log('held');
      for await (const _ of process.stdin);
    });`;
  const options = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning', '--import', LOADER];
  const child = spawn(process.execPath, [...options, '--input-type=module', '--eval', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(createInterface(child.stdout), 'line');
  return child;
}

describe(withFileLock.name, () => {
  let directory: string;
  let path: string;
  const options = { signal: new AbortController().signal };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lock-'));
    path = join(directory, 'model.lock');
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('lets one caller at a time work, and leaves nothing behind', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => withFileLock(path, options, work)));
    expect(most).toBe(1);
    expect(await readdir(directory)).toEqual([]);
  });

  it('waits for a living process, says which, and goes on when that one is done', async () => {
    const other = await holdInAnotherProcess(path);
    const waitedFor: (number | undefined)[] = [];
    const order: string[] = [];
    const ended = once(other, 'exit').then(() => order.push('other ended'));
    const onWait = (pid: number | undefined): void => {
      waitedFor.push(pid);
      other.stdin.end();
    };
    await withFileLock(path, { ...options, onWait }, async () => {
      // The other one released the lock first, and released it whole.
      expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: process.pid });
      order.push('worked');
    });
    await ended;
    expect(waitedFor).toEqual([other.pid]);
    expect(order).toContain('worked');
  });

  it('takes over the lock of a process that was killed', async () => {
    const other = await holdInAnotherProcess(path);
    const exited = once(other, 'exit');
    other.kill('SIGKILL');
    await exited;
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: other.pid });
    await expect(withFileLock(path, options, async () => 'worked')).resolves.toBe('worked');
  });

  it('takes over what an earlier process with the same id left, as in a restarted container', async () => {
    await writeFile(path, JSON.stringify({ pid: process.pid, host: hostname(), token: 'earlier' }));
    await expect(withFileLock(path, options, async () => 'worked')).resolves.toBe('worked');
  });

  it('stops waiting when it is aborted', async () => {
    const stop = new AbortController();
    await withFileLock(path, options, async () => {
      const onWait = (): void => {
        stop.abort();
      };
      const waiting = withFileLock(path, { signal: stop.signal, onWait }, async () => 'worked');
      await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    });
  });

  it('releases the lock when the work fails', async () => {
    const failing = withFileLock(path, options, async () => {
      throw new Error('disk full');
    });
    await expect(failing).rejects.toThrow('disk full');
    expect(await readdir(directory)).toEqual([]);
  });
});
