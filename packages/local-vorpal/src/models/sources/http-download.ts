import { type FileHandle, open, readFile, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { type BackoffOptions, fullJitterBackoffMs, sleep } from '@archive-brain/common';
import { isError } from '../files/error-code.js';
import { ModelSourceError, TransferInterruptedError } from '../models.errors.js';
import { sizeOf } from '../files/verified-file.js';

export interface HttpLimits {
  /** Until the headers of an answer are there. */
  readonly connectTimeoutMs: number;
  /** Longest silence inside a body. */
  readonly stallTimeoutMs: number;
  readonly backoff?: BackoffOptions;
}

export interface DownloadRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Where the bytes gather; what lies there from an earlier run is continued. */
  readonly partialPath: string;
  readonly sizeBytes: number;
  readonly limits: HttpLimits;
  readonly signal: AbortSignal;
  readonly onProgress: (receivedBytes: number) => void;
}

const BACKOFF: BackoffOptions = { initialMs: 500, maxMs: 10_000 };
// Failures in a row. Without an end a server that always cuts would keep the next source from ever being asked.
const MAX_FAILURES = 5;
// A failure after this much progress counts as the first again; the file's size then bounds the attempts.
const PROGRESS_BYTES = 1 << 20;
// A server may ask for a longer pause than this; the next source is the better answer then.
const MAX_RETRY_AFTER_MS = 30_000;

/**
 * Downloads to `partialPath`, going on where an earlier transfer broke off (`Range` with `If-Range`, so that a file
 * that changed on the server begins anew). Checks the size; the caller checks the content.
 * @throws ModelSourceError when the server cannot be reached, refuses, has another file, or keeps breaking off
 */
export async function downloadResuming(request: DownloadRequest): Promise<void> {
  const server = { reached: false };
  let failures = 0;
  for (;;) {
    const before = (await sizeOf(request.partialPath)) ?? 0;
    try {
      await transfer(request, () => (server.reached = true));
      return;
    } catch (error) {
      request.signal.throwIfAborted();
      if (!(error instanceof TransferInterruptedError)) throw error;
      // A host that never answered is passed over at once; one that broke off is worth another try.
      if (!server.reached) throw new ModelSourceError(error.message, { cause: error });
      const after = (await sizeOf(request.partialPath)) ?? 0;
      failures = after - before >= PROGRESS_BYTES ? 1 : failures + 1;
      if (failures >= MAX_FAILURES) throw brokeOffTooOften(error);
      await pause(error, failures - 1, request);
    }
  }
}

function brokeOffTooOften(last: TransferInterruptedError): ModelSourceError {
  return new ModelSourceError(`the download failed ${MAX_FAILURES} times in a row, at last with: ${last.message}`, {
    cause: last,
  });
}

async function pause(error: TransferInterruptedError, attempt: number, { limits, signal }: DownloadRequest) {
  await sleep(Math.max(error.retryAfterMs, fullJitterBackoffMs(attempt, limits.backoff ?? BACKOFF)), signal);
  signal.throwIfAborted();
}

async function transfer(request: DownloadRequest, onReached: () => void): Promise<void> {
  const partial = await readPartial(request.partialPath);
  if (partial.sizeBytes === request.sizeBytes) return;
  const watchdog = new Watchdog(request.signal);
  try {
    const response = await ask(request, partial, watchdog);
    onReached();
    const startAt = await acceptedOffset(response, partial, request);
    await writePartialTag(request.partialPath, response.headers.get('etag'));
    await receive(response, startAt, request, watchdog);
  } finally {
    watchdog.end();
  }
}

async function ask(request: DownloadRequest, partial: Partial, watchdog: Watchdog): Promise<Response> {
  const { connectTimeoutMs } = request.limits;
  // A compressed answer would have another length than the file, and no usable ranges.
  const headers: Record<string, string> = { ...request.headers, 'accept-encoding': 'identity' };
  if (partial.sizeBytes > 0 && partial.etag !== undefined) {
    headers.range = `bytes=${partial.sizeBytes}-`;
    headers['if-range'] = partial.etag;
  }
  watchdog.expectWithin(connectTimeoutMs, `no answer within ${connectTimeoutMs} ms`);
  return watchdog.guard(() => fetch(request.url, { headers, signal: watchdog.signal }));
}

/** Where the body that follows belongs in the file, or the error that the answer stands for. */
async function acceptedOffset(response: Response, partial: Partial, request: DownloadRequest): Promise<number> {
  try {
    if (response.status === 200) return acceptWhole(response, request);
    if (response.status === 206) return acceptRange(response, partial, request);
    throw refusal(response);
  } catch (error) {
    await response.body?.cancel();
    if (response.status === 206 || response.status === 416) await rm(request.partialPath, { force: true });
    throw error;
  }
}

function acceptWhole(response: Response, request: DownloadRequest): number {
  const length = response.headers.get('content-length');
  if (length !== null && Number(length) !== request.sizeBytes) throw otherFile(length, request);
  return 0;
}

function acceptRange(response: Response, partial: Partial, request: DownloadRequest): number {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  const [, start, total] = range ?? [];
  if (total !== undefined && total !== '*' && Number(total) !== request.sizeBytes) throw otherFile(total, request);
  if (start === undefined || Number(start) !== partial.sizeBytes) {
    throw new TransferInterruptedError('it answered with another range than the one asked for');
  }
  return partial.sizeBytes;
}

function otherFile(sizeBytes: string, request: DownloadRequest): ModelSourceError {
  return new ModelSourceError(`it has a different file (${sizeBytes} bytes instead of ${request.sizeBytes})`);
}

/** The error for a status that brings no file. */
export function refusal(response: Response): ModelSourceError | TransferInterruptedError {
  const what = `it answered ${response.status} ${response.statusText}`.trimEnd();
  const { status } = response;
  if (status === 408 || status === 416 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after') ?? 0);
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : 0;
    if (retryAfterMs > MAX_RETRY_AFTER_MS) return new ModelSourceError(`${what} and asks to wait ${seconds} s`);
    return new TransferInterruptedError(what, retryAfterMs);
  }
  const hint = status === 401 || status === 403 ? ' (set HF_TOKEN to a token that may read it)' : '';
  return new ModelSourceError(what + hint);
}

async function receive(response: Response, startAt: number, request: DownloadRequest, watchdog: Watchdog) {
  const file = await open(request.partialPath, startAt === 0 ? 'w' : 'r+');
  try {
    const received = await watchdog.guard(() => copyBody(response, file, startAt, request, watchdog));
    if (received < request.sizeBytes) throw new TransferInterruptedError('it ended before the file was whole');
  } finally {
    await file.close();
  }
}

async function copyBody(
  { body }: Response,
  file: FileHandle,
  startAt: number,
  { sizeBytes, limits: { stallTimeoutMs }, onProgress }: DownloadRequest,
  watchdog: Watchdog,
): Promise<number> {
  let position = startAt;
  onProgress(position);
  const silence = `no byte for ${stallTimeoutMs} ms`;
  watchdog.expectWithin(stallTimeoutMs, silence);
  for await (const chunk of body ?? []) {
    const bytes = chunk as Uint8Array;
    if (position + bytes.length > sizeBytes) throw new ModelSourceError(`it sent more than ${sizeBytes} bytes`);
    await writeWhole(file, bytes, position);
    position += bytes.length;
    onProgress(position);
    watchdog.expectWithin(stallTimeoutMs, silence);
  }
  return position;
}

async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

/** Ends an attempt that receives nothing for too long, and turns each network failure into one readable error. */
export class Watchdog {
  private readonly silent = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  readonly signal: AbortSignal;

  constructor(private readonly caller: AbortSignal) {
    this.signal = AbortSignal.any([caller, this.silent.signal]);
  }

  expectWithin(ms: number, otherwise: string): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.silent.abort(new TransferInterruptedError(otherwise));
    }, ms);
  }

  /** @throws TransferInterruptedError for whatever the network did */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.caller.throwIfAborted();
      if (this.silent.signal.aborted) throw this.silent.signal.reason as TransferInterruptedError;
      // fetch reports every failure of the network as a TypeError; a full disk or a wrong file is another matter.
      if (!isError(error) || error.name !== 'TypeError') throw error;
      throw new TransferInterruptedError(describeNetworkError(error), 0, { cause: error });
    }
  }

  end(): void {
    clearTimeout(this.timer);
  }
}

const NETWORK_ERRORS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its host name is not known here',
  EAI_AGAIN: 'its host name cannot be looked up now',
  ECONNREFUSED: 'it refused the connection',
  ECONNRESET: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  ENETUNREACH: 'there is no network route to it',
  EHOSTUNREACH: 'there is no network route to it',
};

function describeNetworkError(error: Error): string {
  const { cause } = error;
  if (!isError(cause)) return error.message;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  if (code === undefined) return `${error.message}: ${cause.message}`;
  return `${NETWORK_ERRORS[code] ?? 'the connection failed'} (${code})`;
}

interface Partial {
  readonly sizeBytes: number;
  /** Only a strong one: a weak one may not be used with `If-Range`. */
  readonly etag?: string | undefined;
}

const tagSchema = z.object({ etag: z.string() });
const tagPath = (partialPath: string): string => `${partialPath}.json`;

async function readPartial(path: string): Promise<Partial> {
  const sizeBytes = (await sizeOf(path)) ?? 0;
  if (sizeBytes === 0) return { sizeBytes };
  try {
    return { sizeBytes, etag: tagSchema.safeParse(JSON.parse(await readFile(tagPath(path), 'utf8'))).data?.etag };
  } catch {
    // Without its tag a partial file cannot be continued safely; the transfer begins anew.
    return { sizeBytes };
  }
}

async function writePartialTag(path: string, etag: string | null): Promise<void> {
  if (etag?.startsWith('"')) await writeFile(tagPath(path), JSON.stringify({ etag }));
  else await rm(tagPath(path), { force: true });
}

/** Removes a partial file and what is known about it. */
export async function discardPartial(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(tagPath(path), { force: true });
}
