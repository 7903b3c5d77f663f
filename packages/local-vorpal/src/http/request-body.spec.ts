import { z } from 'zod';
import { InvalidRequestError } from '../errors.js';
import { parseBody, readTurns, rejectUnsupported } from './request-body.js';

describe(parseBody.name, () => {
  const schema = z.looseObject({ count: z.int(), name: z.string() });

  it('names every field that is wrong', () => {
    const parse = (): unknown => parseBody(schema, { count: 'many' });
    expect(parse).toThrow(InvalidRequestError);
    expect(parse).toThrow(/count: .*; name: /);
  });

  it.each([null, undefined, 'text', [], 7])('refuses the body %j', (body) => {
    expect(() => parseBody(schema, body)).toThrow(InvalidRequestError);
  });
});

describe(rejectUnsupported.name, () => {
  it.each([
    { suffix: 'end' },
    { tools: [{ type: 'function' }] },
    { logit_bias: { 5: 1 } },
    { best_of: 2 },
    { response_format: { type: 'json_object' } },
    { prompt_logprobs: 1 },
    { skip_special_tokens: false },
  ])('refuses %j rather than ignore it', (body) => {
    expect(() => {
      rejectUnsupported(body);
    }).toThrow(InvalidRequestError);
  });

  it('lets the values pass that change nothing, and what it does not know', () => {
    expect(() => {
      rejectUnsupported({
        suffix: null,
        tools: [],
        logit_bias: {},
        best_of: 1,
        response_format: { type: 'text' },
        repetition_penalty: 1,
        skip_special_tokens: true,
        min_tokens: 0,
        my_own_field: 'x',
      });
    }).not.toThrow();
  });
});

describe(readTurns.name, () => {
  it('reads texts, lists of text parts and missing contents', () => {
    const turns = readTurns([
      { role: 'developer', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b\uD800' },
        ],
      },
      { role: 'assistant' },
    ]);
    expect(turns).toEqual([
      { role: 'system', text: 'Be brief.' },
      { role: 'user', text: 'a\nb\uFFFD' },
      { role: 'assistant', text: '' },
    ]);
  });

  it('refuses a role that no template knows', () => {
    expect(() => readTurns([{ role: 'oracle', content: 'x' }])).toThrow(/messages\.0\.role/);
  });
});
