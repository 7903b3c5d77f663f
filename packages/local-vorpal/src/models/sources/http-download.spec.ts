import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileServer, type SeenRequest } from '../../../../../test/support/file-server.js';
import { type DownloadRequest, downloadResuming } from './http-download.js';
import { ModelSourceError } from '../models.errors.js';

const PATH = '/model.gguf';
const body = randomBytes(300_000);

const startOf = ({ headers }: SeenRequest): number => Number(/\d+/.exec(headers.range ?? '0')?.[0]);

describe(downloadResuming.name, () => {
  let server: FileServer;
  let directory: string;
  let partialPath: string;

  beforeEach(async () => {
    server = await FileServer.start();
    server.serve(PATH, body);
    directory = await mkdtemp(join(tmpdir(), 'download-'));
    partialPath = join(directory, 'model.partial');
  });

  afterEach(async () => {
    await server.stop();
    await rm(directory, { recursive: true });
  });

  const requestOf = (overrides: Partial<DownloadRequest> = {}): DownloadRequest => ({
    url: new URL(PATH, server.url),
    headers: {},
    partialPath,
    sizeBytes: body.length,
    limits: { connectTimeoutMs: 5_000, stallTimeoutMs: 5_000, backoff: { initialMs: 1, maxMs: 2 } },
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...overrides,
  });
  const impatient = { connectTimeoutMs: 150, stallTimeoutMs: 150, backoff: { initialMs: 1, maxMs: 2 } };

  it('brings the whole file and tells of its progress', async () => {
    const progress: number[] = [];
    await downloadResuming(requestOf({ onProgress: (bytes) => progress.push(bytes) }));
    expect((await readFile(partialPath)).equals(body)).toBe(true);
    expect(progress.at(0)).toBe(0);
    expect(progress.at(-1)).toBe(body.length);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  });

  it('asks only for the rest after a connection was cut', async () => {
    server.failNext(PATH, { kind: 'stall', afterBytes: 200_000 }, { kind: 'stall', afterBytes: 50_000 });
    const onProgress = (bytes: number): void => {
      const [cutNow] = server.requests.slice(-1).filter((request) => request.sentBytes === bytes - startOf(request));
      if (cutNow !== undefined && bytes < body.length) server.cutConnections();
    };
    await downloadResuming(requestOf({ onProgress }));
    expect((await readFile(partialPath)).equals(body)).toBe(true);
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=200000-', 'bytes=250000-']);
    expect(server.requests.map((request) => request.sentBytes)).toEqual([200_000, 50_000, 50_000]);
    expect(server.requests.at(1)?.headers['if-range']).toBe(`"${PATH}-1"`);
  });

  it('goes on in a later process where an earlier one stopped', async () => {
    const stop = new AbortController();
    server.failNext(PATH, { kind: 'stall', afterBytes: 120_000 });
    const onProgress = (bytes: number): void => {
      if (bytes === 120_000) stop.abort();
    };
    await expect(downloadResuming(requestOf({ signal: stop.signal, onProgress }))).rejects.toThrow('abort');
    await downloadResuming(requestOf());
    expect(server.requests.at(1)?.headers.range).toBe('bytes=120000-');
    expect(server.requests.at(1)?.sentBytes).toBe(body.length - 120_000);
    expect((await readFile(partialPath)).equals(body)).toBe(true);
  });

  it('begins anew when the file has changed on the server', async () => {
    server.failNext(PATH, { kind: 'stall', afterBytes: 120_000 });
    const changed = randomBytes(body.length);
    const onProgress = (bytes: number): void => {
      if (bytes === 120_000) server.serve(PATH, changed, '"another"');
    };
    await downloadResuming(requestOf({ limits: { ...impatient, connectTimeoutMs: 5_000 }, onProgress }));
    expect(server.requests.at(1)?.headers.range).toBe('bytes=120000-');
    expect((await readFile(partialPath)).equals(changed)).toBe(true);
  });

  it('begins anew when nothing says which version the partial file is of', async () => {
    await writeFile(partialPath, randomBytes(1_000));
    await downloadResuming(requestOf());
    expect(server.requests.at(0)?.headers.range).toBeUndefined();
    expect((await readFile(partialPath)).equals(body)).toBe(true);
  });

  it('breaks off a silent transfer and resumes it', async () => {
    server.failNext(PATH, { kind: 'stall', afterBytes: 100_000 });
    await downloadResuming(requestOf({ limits: { ...impatient, connectTimeoutMs: 5_000 } }));
    expect(server.requests).toHaveLength(2);
    expect((await readFile(partialPath)).equals(body)).toBe(true);
  });

  it('tries again after 429 and 503', async () => {
    server.failNext(PATH, { kind: 'status', status: 429, headers: { 'retry-after': '0' } });
    server.failNext(PATH, { kind: 'status', status: 503 });
    await downloadResuming(requestOf());
    expect(server.requests).toHaveLength(3);
  });

  it('gives up on a server that keeps breaking off', async () => {
    server.failNext(PATH, ...Array.from({ length: 5 }, () => ({ kind: 'status', status: 500 }) as const));
    await expect(downloadResuming(requestOf())).rejects.toThrow(/5 times in a row.*500/);
    expect(server.requests).toHaveLength(5);
  });

  it('does not wait longer than it should for a server that asks for patience', async () => {
    server.failNext(PATH, { kind: 'status', status: 503, headers: { 'retry-after': '3600' } });
    await expect(downloadResuming(requestOf())).rejects.toThrow('3600 s');
    expect(server.requests).toHaveLength(1);
  });

  it.each([401, 403, 404, 410])('takes %i for an answer', async (status) => {
    server.failNext(PATH, { kind: 'status', status });
    await expect(downloadResuming(requestOf())).rejects.toThrow(ModelSourceError);
    expect(server.requests).toHaveLength(1);
  });

  it('passes over a host that does not answer in time', async () => {
    server.failNext(PATH, { kind: 'silence' });
    await expect(downloadResuming(requestOf({ limits: impatient }))).rejects.toThrow('no answer within 150 ms');
    expect(server.requests).toHaveLength(1);
  });

  it('passes over a host whose name is unknown and a port where nobody listens, at once', async () => {
    const unknown = requestOf({ url: new URL('http://archive-brain.invalid/model.gguf') });
    await expect(downloadResuming(unknown)).rejects.toThrow(/host name/);
    const gone = await FileServer.start();
    const url = new URL(PATH, gone.url);
    await gone.stop();
    await expect(downloadResuming(requestOf({ url }))).rejects.toThrow(/ECONNREFUSED/);
  });

  it('refuses a file of another size before its body', async () => {
    await expect(downloadResuming(requestOf({ sizeBytes: 5 }))).rejects.toThrow('300000 bytes instead of 5');
  });

  it('sends the token to the host it is for and to no other', async () => {
    const other = await FileServer.start();
    try {
      other.serve('/blob', body);
      server.failNext(PATH, { kind: 'redirect', to: `${other.url}/blob` });
      await downloadResuming(requestOf({ headers: { authorization: 'Bearer secret' } }));
      expect(server.requests.at(0)?.headers.authorization).toBe('Bearer secret');
      expect(other.requests).toHaveLength(1);
      expect(other.requests.at(0)?.headers.authorization).toBeUndefined();
      expect((await readFile(partialPath)).equals(body)).toBe(true);
    } finally {
      await other.stop();
    }
  });

  it('ends when it is aborted, without another attempt', async () => {
    const stop = new AbortController();
    server.failNext(PATH, { kind: 'stall', afterBytes: 10 });
    const onProgress = (bytes: number): void => {
      if (bytes === 10) stop.abort();
    };
    const sut = downloadResuming(requestOf({ signal: stop.signal, onProgress }));
    await expect(sut).rejects.toMatchObject({ name: 'AbortError' });
    expect(server.requests).toHaveLength(1);
  });
});
