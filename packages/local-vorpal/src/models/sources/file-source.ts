import type { FilePin, SourceName } from '../manifest/manifest.js';

export interface FetchContext {
  readonly signal: AbortSignal;
  readonly onProgress: (receivedBytes: number, totalBytes: number) => void;
}

/** A place that files come from. `L` says where a file lies there. */
export interface FileSource<L> {
  readonly name: SourceName;
  /** For people. */
  readonly label: string;
  /**
   * Brings a file to `path`, unverified. What a source keeps for resuming lies beside it.
   * @throws ModelSourceError
   */
  fetch(location: L, pin: Pick<FilePin, 'sizeBytes'>, path: string, context: FetchContext): Promise<void>;

  /** Removes what `fetch` to `path` may have left unfinished. */
  clear(path: string): Promise<void>;
}
