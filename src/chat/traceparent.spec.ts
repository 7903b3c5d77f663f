import { readTraceparent } from './traceparent.js';

describe(readTraceparent.name, () => {
  it('passes a valid header on', () => {
    const header = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(readTraceparent(header)).toBe(header);
  });

  it.each([
    undefined,
    '',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01',
    'nonsense',
  ])('ignores %p', (header) => {
    expect(readTraceparent(header)).toBeUndefined();
  });
});
