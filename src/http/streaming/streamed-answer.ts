import { Logger, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { describeError, isAbortError } from '../../shared/index.js';

const logger = new Logger('Http');

/**
 * An answer that is sent while it is produced, as fast as its client reads it. A failure of the source cuts the answer,
 * and the log says why. A client that leaves ends the source, and is not an error.
 */
export function streamedAnswer(chunks: AsyncIterable<string>, type: string): StreamableFile {
  const stream = Readable.from(chunks);
  stream.once('error', (error) => {
    if (!isAbortError(error)) logger.error(`An answer was cut off: ${describeError(error)}`);
  });
  return new StreamableFile(stream, { type });
}
