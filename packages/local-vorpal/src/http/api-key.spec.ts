import { isBearerToken } from './api-key.js';

describe(isBearerToken.name, () => {
  it.each(['Bearer secret', 'bearer secret'])('takes %j', (header) => {
    expect(isBearerToken(header, 'secret')).toBe(true);
  });

  it.each([undefined, '', 'secret', 'Bearer', 'Bearer ', 'Bearer secret2', 'Bearer secre', 'Basic secret'])(
    'refuses %j',
    (header) => {
      expect(isBearerToken(header, 'secret')).toBe(false);
    },
  );
});
