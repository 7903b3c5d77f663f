import { StreamUnavailableError } from '../stream/index.js';
import {
  VorpalFailedError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalRequestError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from '../vorpal/index.js';
import { isDoubtful, isOutage, isUnanswered } from './failure-kinds.js';

describe('failures', () => {
  it.each([
    // The last column: outage, doubtful, unanswered.
    [new VorpalUnavailableError('gone'), [true, false, true]],
    [new VorpalTimeoutError('too slow'), [true, false, true]],
    [new VorpalOverloadedError('full'), [true, false, false]],
    [new VorpalFailedError('HTTP 500'), [true, true, false]],
    [new VorpalProtocolError('garbled'), [true, true, false]],
    [new StreamUnavailableError(), [true, false, false]],
    [new VorpalRequestError('refused'), [false, false, false]],
    [new TypeError('a fault of ours'), [false, false, false]],
  ])('are told apart: %p', (error, kinds) => {
    expect([isOutage(error), isDoubtful(error), isUnanswered(error)]).toEqual(kinds);
  });
});
