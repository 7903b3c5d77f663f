import { z } from 'zod';
import { camelCaseCodec, snakeCased } from './snake-case.js';

describe(camelCaseCodec.name, () => {
  const sut = camelCaseCodec(z.object({ text: z.string(), created_at_ms: z.number(), meta_data: z.custom<object>() }));

  it('changes the names of fields in both directions, and nothing inside their values', () => {
    const stored = { text: 'tea', created_at_ms: 5, meta_data: { inner_name: 1 } };
    const fields = { text: 'tea', createdAtMs: 5, metaData: { inner_name: 1 } };
    expect(z.decode(sut, stored)).toEqual(fields);
    expect(z.encode(sut, fields)).toEqual(stored);
  });

  it('leaves out what the schema does not name', () => {
    const more = { text: 'tea', createdAtMs: 5, metaData: {}, id: 'a' };
    expect(z.encode(sut, more)).toEqual({ text: 'tea', created_at_ms: 5, meta_data: {} });
  });

  it('names the stored field that is wrong', () => {
    const { error } = sut.safeParse({ text: 'tea', created_at_ms: 'x', meta_data: {} });
    expect(error?.issues.map(({ path }) => path)).toEqual([['created_at_ms']]);
  });
});

describe(snakeCased.name, () => {
  it('renames whatever an object holds', () => {
    expect(snakeCased({ decidedAtMs: 1, kept: undefined })).toEqual({ decided_at_ms: 1, kept: undefined });
  });
});
