import { Injectable } from '@nestjs/common';
import {
  type TextEmbeddings,
  VorpalClient,
  VorpalContextLengthError,
  VorpalEmbeddingsUnsupportedError,
  VorpalRequestError,
} from '../vorpal/index.js';
import type { EmbeddingSpace } from './memory.js';
import { isSameSpace } from './memory-limits.js';
import { MemoryStore, type StoreSpaces } from './memory-store.port.js';
import { EmbeddingModelChangedError, MemoryVectorError, ReembeddingError } from './memory.errors.js';

/**
 * How late a running brain notices that somebody moves the memories to another model; asking each time would add a round
 * trip to every recall.
 */
export const SPACES_VALID_MS = 1_000;
// A text that the model cannot take whole is embedded by its beginning; below this much something else is wrong.
const LEAST_CHARACTERS = 64;
// Whatever a server can embed at all, it can embed this.
const PLAIN_SENTENCE = 'The sky is blue.';

interface EmbedOptions {
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
  private known: { readonly spaces: StoreSpaces; readonly until: number } | undefined;

  constructor(
    private readonly client: VorpalClient,
    private readonly store: MemoryStore,
  ) {}

  /**
   * Unit vectors that may go into the store, one per text.
   * @throws EmbeddingModelChangedError, ReembeddingError, MemoryStoreUnavailableError, MemoryVectorError, Vorpal's errors
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
    const { model, vectors } = await this.embedWhatFits(texts, options);
    return { space: { model, dimensions: vectors[0]?.length ?? 0 }, vectors: vectors.map(toUnitVector) };
  }

  private async embedWhatFits(texts: readonly string[], options: EmbedOptions): Promise<TextEmbeddings> {
    try {
      return await this.client.embed(texts, options);
    } catch (error) {
      if (!(error instanceof VorpalRequestError)) throw error;
      if (texts.length > 1) return this.embedOneByOne(texts, options);
      if (!(error instanceof VorpalContextLengthError)) return this.blameTextOrServer(error, options);
      const [text = ''] = texts;
      if (text.length <= LEAST_CHARACTERS) throw error;
      return this.embedWhatFits([text.slice(0, Math.floor(text.length / 2))], options);
    }
  }

  /** Tells a text that cannot be embedded from a server that embeds nothing. */
  private async blameTextOrServer(refusal: VorpalRequestError, options: EmbedOptions): Promise<never> {
    try {
      await this.client.embed([PLAIN_SENTENCE], options);
    } catch (error) {
      if (error instanceof VorpalRequestError) throw new VorpalEmbeddingsUnsupportedError(error.message);
      throw error;
    }
    throw refusal;
  }

  private async embedOneByOne(texts: readonly string[], options: EmbedOptions): Promise<TextEmbeddings> {
    const vectors: Float32Array[] = [];
    let model = '';
    for (const text of texts) {
      const one = await this.embedWhatFits([text], options);
      model = one.model;
      vectors.push(...one.vectors);
    }
    return { model, vectors };
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

function toUnitVector(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value ** 2;
  const length = Math.sqrt(squares);
  if (!Number.isFinite(length) || length === 0) {
    throw new MemoryVectorError(
      'The embeddings server answered with a vector without direction; check EMBEDDINGS_MODEL.',
    );
  }
  return vector.map((value) => value / length);
}
