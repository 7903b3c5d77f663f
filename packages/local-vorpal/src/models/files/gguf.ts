import { open } from 'node:fs/promises';
import { describeError } from '@archive-brain/common';
import { ModelInvalidError } from '../models.errors.js';

const MAGIC = 'GGUF';
const HEADER_BYTES = 8;

/**
 * Looks at the first bytes, so that a wrong path is reported by name and not as a failure deep in the engine.
 * @throws ModelInvalidError
 */
export async function assertGguf(path: string): Promise<void> {
  const header = await readHeader(path);
  if (header.length === HEADER_BYTES && header.toString('latin1', 0, MAGIC.length) === MAGIC) return;
  throw new ModelInvalidError(
    `${path} is not a GGUF model (it does not begin with "${MAGIC}"). ` +
      'Set LOCAL_VORPAL_MODEL to a GGUF file, or leave it unset.',
  );
}

async function readHeader(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new ModelInvalidError(
      `The model file ${path} cannot be read (${describeError(error)}). ` +
        'Set LOCAL_VORPAL_MODEL to a readable GGUF file, or leave it unset.',
      { cause: error },
    );
  }
}
