import type { Settings } from '../../settings.js';
import type { BackoffOptions } from '@archive-brain/common';
import { discardPartial, downloadResuming, refusal, Watchdog } from './http-download.js';
import type { FilePin, HuggingFaceLocation } from '../manifest/manifest.js';
import { ModelSourceError, TransferInterruptedError } from '../models.errors.js';
import type { FetchContext, FileSource } from './file-source.js';

// A renamed repository is one redirect away; more than a few is a loop.
const MAX_REDIRECTS = 5;

/** What Hugging Face says about a file without sending it. */
export type RemoteFile = Pick<FilePin, 'sizeBytes'> & Partial<FilePin>;

/** Downloads from Hugging Face over HTTPS, resuming what broke off. */
export class HuggingFaceSource implements FileSource<HuggingFaceLocation> {
  readonly name = 'huggingface';
  readonly label: string;

  constructor(
    private readonly settings: Settings['models'],
    private readonly backoff?: BackoffOptions,
  ) {
    // With a mirror in HF_ENDPOINT the name alone would send the reader to the wrong host.
    this.label = `Hugging Face (${new URL(settings.huggingFaceUrl).host})`;
  }

  async fetch(
    location: HuggingFaceLocation,
    { sizeBytes }: Pick<FilePin, 'sizeBytes'>,
    path: string,
    { signal, onProgress }: FetchContext,
  ): Promise<void> {
    const { connectTimeoutMs, stallTimeoutMs } = this.settings;
    await downloadResuming({
      url: this.urlOf(location),
      headers: this.headers(),
      partialPath: path,
      sizeBytes,
      limits: { connectTimeoutMs, stallTimeoutMs, ...(this.backoff && { backoff: this.backoff }) },
      signal,
      onProgress: (received) => {
        onProgress(received, sizeBytes);
      },
    });
  }

  async clear(path: string): Promise<void> {
    await discardPartial(path);
  }

  /**
   * Size and, for large files, SHA-256 of a file that no manifest pins. Both stand in the headers of the redirect to
   * the storage behind Hugging Face, so redirects are followed by hand, and only on the same host.
   */
  async describe(location: HuggingFaceLocation, signal: AbortSignal): Promise<RemoteFile> {
    const origin = this.urlOf(location).origin;
    let url = this.urlOf(location);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const response = await this.head(url, signal);
      const described = describedBy(response.headers, response.status);
      if (described !== undefined) return described;
      const target = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || target === null) throw asSourceError(refusal(response));
      url = new URL(target, url);
      if (url.origin !== origin) break;
    }
    throw new ModelSourceError('it does not say how large the file is');
  }

  private async head(url: URL, signal: AbortSignal): Promise<Response> {
    const { connectTimeoutMs } = this.settings;
    const watchdog = new Watchdog(signal);
    watchdog.expectWithin(connectTimeoutMs, `no answer within ${connectTimeoutMs} ms`);
    try {
      return await watchdog.guard(() =>
        fetch(url, { method: 'HEAD', redirect: 'manual', headers: this.headers(), signal: watchdog.signal }),
      );
    } catch (error) {
      throw error instanceof TransferInterruptedError ? asSourceError(error) : error;
    } finally {
      watchdog.end();
    }
  }

  private urlOf({ repository, revision, path }: HuggingFaceLocation): URL {
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    const base = this.settings.huggingFaceUrl.replace(/\/+$/, '');
    return new URL(`${base}/${repository}/resolve/${encodeURIComponent(revision)}/${encoded}`);
  }

  /** `fetch` itself drops the token where a redirect leads to another host. */
  private headers(): Record<string, string> {
    const { huggingFaceToken } = this.settings;
    return huggingFaceToken === undefined ? {} : { authorization: `Bearer ${huggingFaceToken}` };
  }
}

function describedBy(headers: Headers, status: number): RemoteFile | undefined {
  const sizeBytes = Number(headers.get('x-linked-size') ?? (status === 200 ? headers.get('content-length') : null));
  if (status >= 400 || !Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) return undefined;
  const sha256 = /^"?([0-9a-f]{64})"?$/.exec(headers.get('x-linked-etag') ?? '')?.[1];
  return sha256 === undefined ? { sizeBytes } : { sizeBytes, sha256 };
}

function asSourceError(error: ModelSourceError | TransferInterruptedError): ModelSourceError {
  return error instanceof ModelSourceError ? error : new ModelSourceError(error.message, { cause: error });
}
