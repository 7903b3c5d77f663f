import { Logger, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { describeError, isAbortError } from '../../shared/index.js';

const logger = new Logger('Http');

/**
 * An answer that is sent as it is made, as fast as its client takes it. A source that fails cuts it, and the log says why;
 * a client that leaves ends the source, and is no error.
 */
export function streamedAnswer(chunks: AsyncIterable<string>, type: string): StreamableFile {
  const stream = Readable.from(chunks);
  stream.once('error', (error) => {
    if (!isAbortError(error)) logger.error(`An answer was cut off: ${describeError(error)}`);
  });
  return new StreamableFile(stream, { type });
}
