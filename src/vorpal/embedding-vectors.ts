import { endianness } from 'node:os';
import type { EmbeddingResponse } from '@archive-brain/vllm-protocol';
import { VorpalProtocolError } from './vorpal.errors.js';

const BYTES_PER_FLOAT = 4;

/**
 * The vectors of an embeddings answer in the order of the inputs, given as numbers or as base64 of little-endian
 * floats.
 * @throws VorpalProtocolError unless there are `count` of them, of one length above 0, with finite numbers only
 */
export function readEmbeddings({ data }: EmbeddingResponse, count: number): Float32Array[] {
  const sorted = data.toSorted((a, b) => a.index - b.index);
  if (sorted.length !== count || sorted.some(({ index }, position) => index !== position)) {
    throw new VorpalProtocolError(`${count} texts were answered with ${data.length} embeddings; check EMBEDDINGS_URL.`);
  }
  const vectors = sorted.map(({ embedding }) => toVector(embedding));
  if (vectors.some((vector) => vector.length === 0 || !vector.every(Number.isFinite))) {
    throw new VorpalProtocolError('An embedding is empty or holds NaN or Infinity; check EMBEDDINGS_MODEL.');
  }
  return vectors;
}

function toVector(embedding: readonly number[] | string): Float32Array {
  if (typeof embedding !== 'string') return Float32Array.from(embedding);
  const bytes = Buffer.from(embedding, 'base64');
  if (bytes.length % BYTES_PER_FLOAT !== 0) {
    throw new VorpalProtocolError('An embedding is cut short; check EMBEDDINGS_URL.');
  }
  if (endianness() === 'BE') bytes.swap32();
  // A copy: small buffers share one block of memory and start at any byte of it.
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
