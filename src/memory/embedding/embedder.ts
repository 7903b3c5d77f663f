import { Injectable } from '@nestjs/common';
import { type EmbeddingRole, VorpalClient } from '../../vorpal/index.js';
import type { EmbeddingSpace } from '../memory.js';
import { isSameSpace } from '../store/memory-limits.js';
import { MemoryStore, type StoreSpaces } from '../store/memory-store.port.js';
import { EmbeddingModelChangedError, ReembeddingError } from '../memory.errors.js';
import { ReadableScripts } from './readable-scripts.js';
import { WindowEmbedder } from './window-embedder.js';

/**
 * How long a brain uses the embedding spaces that it read from the store. It may notice a move to another model that
 * much later; reading them each time would add a round trip to every recall.
 */
export const SPACES_VALID_MS = 1_000;
/** The most parts of a question that are embedded. A user waits, and each part takes about 30 ms on the CPU. */
export const QUESTION_WINDOWS = 3;
// Of a text's parts each counts less than the one before; what is behind these changes next to nothing any more.
const MAX_WINDOWS = 16;

interface EmbedOptions {
  /** Parts of one long text that are read, at its beginning and its end; fewer where somebody waits. */
  readonly maxWindows?: number;
  /** `query` for what is looked for; not set: a passage, which is what is remembered. */
  readonly role?: EmbeddingRole;
  readonly signal?: AbortSignal;
}

export interface EmbeddedTexts {
  readonly space: EmbeddingSpace;
  /** Unit vectors, one per text, in their order. */
  readonly vectors: readonly Float32Array[];
}

/** Texts to unit vectors of the store's embedding space; vectors of any other space stop here. */
@Injectable()
export class Embedder {
  private readonly windows: WindowEmbedder;
  private readonly scripts: ReadableScripts;
  private known: { readonly spaces: StoreSpaces; readonly until: number } | undefined;

  constructor(
    client: VorpalClient,
    private readonly store: MemoryStore,
  ) {
    this.windows = new WindowEmbedder(client);
    this.scripts = new ReadableScripts(async (texts, signal) => {
      const { vectors } = await this.windows.embed(texts, { maxWindows: 1, ...(signal && { signal }) });
      return vectors;
    });
  }

  /**
   * Unit vectors that may go into the store, one per text.
   * @throws EmbeddingModelChangedError, ReembeddingError, MemoryStoreUnavailableError, MemoryVectorError
   * @throws the errors of Vorpal
   */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<readonly Float32Array[]> {
    if (texts.length === 0) return [];
    const { space, vectors } = await this.embedForAnySpace(texts, options);
    // Afterwards: an embedding may take long, and a move of the memories may have begun meanwhile.
    const spaces = await this.spaces();
    if (spaces.next) throw new ReembeddingError(spaces.next);
    const current = spaces.current ?? (await this.claim(space));
    if (!isSameSpace(current, space)) throw new EmbeddingModelChangedError(current, space);
    return vectors;
  }

  /** The same whatever space the store is in. @throws MemoryVectorError, Vorpal's errors */
  async embedForAnySpace(texts: readonly string[], options: EmbedOptions = {}): Promise<EmbeddedTexts> {
    const { model, vectors } = await this.windows.embed(texts, { maxWindows: MAX_WINDOWS, ...options });
    return { space: { model, dimensions: vectors[0]?.length ?? 0 }, vectors };
  }

  /**
   * Whether the vector of a text tells its meaning: `false` for a script that the model cannot read. The first text of
   * a script takes one more request. Never throws: a script that could not be checked counts as readable.
   */
  isReadable(text: string, signal?: AbortSignal): Promise<boolean> {
    return this.scripts.isReadable(text, signal);
  }

  /** The same, from what is known by now. */
  isKnownAsReadable(text: string): boolean {
    return this.scripts.isKnownAsReadable(text);
  }

  private async spaces(): Promise<StoreSpaces> {
    if (this.known && performance.now() < this.known.until) return this.known.spaces;
    return this.remember(await this.store.spaces());
  }

  private async claim(space: EmbeddingSpace): Promise<EmbeddingSpace> {
    const { current, next } = this.remember(await this.store.claimSpace(space));
    if (next) throw new ReembeddingError(next);
    return current ?? space;
  }

  private remember(spaces: StoreSpaces): StoreSpaces {
    this.known = { spaces, until: performance.now() + SPACES_VALID_MS };
    return spaces;
  }
}
