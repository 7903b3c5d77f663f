import { describeError } from './errors.js';

describe(describeError.name, () => {
  it('names the causes, once each', () => {
    const error = new Error('cannot chat', {
      cause: new Error('connect ECONNREFUSED', { cause: new Error('cannot chat') }),
    });
    expect(describeError(error)).toBe('cannot chat: connect ECONNREFUSED');
  });

  it('describes what is no error', () => {
    expect(describeError({ reason: 7 })).toBe('{ reason: 7 }');
  });

  it('ends where causes form a circle', () => {
    const first = new Error('first');
    first.cause = new Error('second', { cause: first });
    expect(describeError(first)).toBe('first: second');
  });
});
