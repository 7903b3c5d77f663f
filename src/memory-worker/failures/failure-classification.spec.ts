import { EmbeddingModelChangedError, MemoryStoreUnavailableError } from '../../memory/memory.errors.js';
import { StoreRefusedError } from '../../shared/index.js';
import { StreamUnavailableError } from '../../stream/index.js';
import {
  VorpalAuthenticationError,
  VorpalEmbeddingsUnsupportedError,
  VorpalFailedError,
  VorpalModelNotFoundError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalRequestError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from '../../vorpal/index.js';
import { isWrongAnswer, isOutage, isUnanswered } from './failure-classification.js';

describe('failure classification', () => {
  it.each([
    // The last column: outage, wrong answer, unanswered.
    [new VorpalUnavailableError('gone'), [true, false, true]],
    [new VorpalTimeoutError('too slow'), [true, false, true]],
    [new VorpalOverloadedError('full'), [true, false, false]],
    [new VorpalFailedError('HTTP 500'), [true, true, false]],
    [new VorpalProtocolError('garbled'), [true, true, false]],
    [new StreamUnavailableError(), [true, false, false]],
    [new MemoryStoreUnavailableError(), [true, false, false]],
    // For an operator to repair; until then every entry fails.
    [new VorpalAuthenticationError('a wrong key'), [true, false, false]],
    [new VorpalModelNotFoundError('no such model'), [true, false, false]],
    [new VorpalEmbeddingsUnsupportedError('HTTP 400'), [true, false, false]],
    [
      new EmbeddingModelChangedError({ model: 'a', dimensions: 2 }, { model: 'b', dimensions: 2 }),
      [true, false, false],
    ],
    [new StoreRefusedError({ cause: new Error('WRONGTYPE') }), [false, false, false]],
    [new VorpalRequestError('refused'), [false, false, false]],
    [new TypeError('a fault of ours'), [false, false, false]],
  ])('tells kinds apart: %p', (error, kinds) => {
    expect([isOutage(error), isWrongAnswer(error), isUnanswered(error)]).toEqual(kinds);
  });
});
