import { previewOf } from './preview.js';

describe(previewOf.name, () => {
  it('shows a short message whole', () => {
    expect(previewOf('The sky is blue')).toBe('The sky is blue...');
  });

  it('cuts after fifty characters', () => {
    expect(previewOf('a'.repeat(51))).toBe(`${'a'.repeat(50)}...`);
  });

  it('does not cut an emoji in half', () => {
    expect(previewOf(`${'a'.repeat(49)}😀😀`)).toBe(`${'a'.repeat(49)}😀...`);
  });

  it('keeps a message from forging a log line', () => {
    expect(previewOf('hello\n[Brain] all is well\u001b[2J')).toBe('hello [Brain] all is well [2J...');
  });

  it('keeps a message from turning what stands behind it', () => {
    expect(previewOf('hello\u2028\u202eollah\u2066')).toBe('hello  ollah ...');
  });
});
