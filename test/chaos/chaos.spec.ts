import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { until } from '../support/until.js';
import { ChildProgram } from '../../bench/load/child-program.js';
import { SCENARIOS } from './scenarios/index.js';

const packageFile = join(import.meta.dirname, '../../package.json');

describe('npm run chaos', () => {
  let folder: string;
  let child: ChildProcess | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chaos-test-'));
  });

  afterEach(async () => {
    child?.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  /** The script without what comes before it: the tests are run on what is built. */
  async function start(...args: string[]): Promise<ChildProcess> {
    const { scripts } = JSON.parse(await readFile(packageFile, 'utf8')) as { scripts: { chaos: string } };
    const [, ...words] = scripts.chaos.split(' ');
    child = spawn(process.execPath, [...words, ...args], {
      env: { ...process.env, NODE_OPTIONS: '', TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return child;
  }

  it('runs outside the tests, and refuses what it does not understand with exit code 2', async () => {
    const program = await start('--only', 'no-such-scenario');
    const [complaint, [code]] = await Promise.all([text(program.stderr!), once(program, 'exit')]);
    expect(code).toBe(2);
    for (const { name } of SCENARIOS) expect(complaint).toContain(name);
  });

  it('leaves no program that it started', async () => {
    const programs = [
      ChildProgram.start('brain', { BRAIN_DATA_DIR: folder }),
      ChildProgram.start('brain', { BRAIN_DATA_DIR: folder }),
    ];
    ChildProgram.killAll();
    expect(await Promise.all(programs.map((program) => program.ended()))).toEqual(['SIGKILL', 'SIGKILL']);
  });

  it('ends at once and leaves no file when it is interrupted', async () => {
    const program = await start('--only', 'worker-kills', '--scale', 'short', '--seed', '2');
    let noted = '';
    program.stderr!.setEncoding('utf8').on('data', (more: string) => (noted += more));
    await until(() => noted.includes('1 of 6 kills') || program.exitCode !== null, 'the first kill', 120_000);
    expect(await readdir(folder)).not.toEqual([]);
    program.kill('SIGINT');
    await once(program, 'exit');
    expect(program.exitCode).toBe(130);
    // Redis, which is ended by its guard, leaves last.
    await until(async () => (await readdir(folder)).length === 0, 'an empty folder');
  });
});
