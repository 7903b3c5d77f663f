import { documentedVariables, renderConfigurationDocs } from '@archive-brain/common';
import { readFileSync, writeFileSync } from 'node:fs';
import { environmentSchema as localVorpalSchema } from '../../packages/local-vorpal/src/settings.js';
import { environmentSchema as brainSchema } from '../../src/settings.js';

const variables = documentedVariables([brainSchema, localVorpalSchema]);

describe(renderConfigurationDocs.name, () => {
  it('is what docs/configuration.md holds (if not: npm run docs:configuration)', () => {
    const file = new URL('../../docs/configuration.md', import.meta.url);

    const page = renderConfigurationDocs(variables);
    if (process.env.UPDATE_DOCS === '1') writeFileSync(file, page);

    expect(readFileSync(file, 'utf8')).toBe(page);
  });

  it('gives every variable a section and a sentence that explains it', () => {
    expect(variables.length).toBeGreaterThan(40);
    expect(variables.filter(({ section }) => section === undefined)).toEqual([]);
    expect(variables.filter(({ description }) => !description?.endsWith('.'))).toEqual([]);
  });

  it('describes a default that depends on the machine instead of printing this machine’s', () => {
    const machineDependent = ['BRAIN_DATA_DIR', 'BRAIN_CACHE_DIR', 'LOCAL_VORPAL_THREADS', 'STREAM_CONSUMER'];
    const found = variables.filter(({ name }) => machineDependent.includes(name));

    expect(found).toHaveLength(machineDependent.length);
    for (const { defaultValue } of found) expect(defaultValue).toMatch(/^(the|host) /);
  });

  it('shows defaults, ranges and choices as the schema has them', () => {
    const byName = new Map(variables.map((variable) => [variable.name, variable]));

    expect(byName.get('PORT')).toMatchObject({ defaultValue: '`8080`', type: 'whole number, 0 to 65,535' });
    expect(byName.get('ASYNC_MEMORY')).toMatchObject({ defaultValue: '`true`', type: '`true`, `false`' });
    expect(byName.get('REDIS_URL')).toMatchObject({ defaultValue: 'not set', type: 'address' });
    expect(byName.get('MODEL_SOURCES')).toMatchObject({
      defaultValue: '`huggingface,pypi`',
      type: 'one or more of `huggingface`, `pypi`, with commas between',
    });
  });

  it('keeps a bar in a text from ending the cell of the table', () => {
    const rendered = renderConfigurationDocs([
      { name: 'A', section: 'S', description: 'one | two.', type: 'text', defaultValue: 'not set' },
    ]);

    expect(rendered).toContain('| `A`      | not set | text  | one \\| two. |');
  });
});
