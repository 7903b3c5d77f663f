import { readFileSync } from 'node:fs';
import { documentedVariables, renderConfigurationDocs } from './configuration-docs.js';

describe(renderConfigurationDocs.name, () => {
  it('is what docs/configuration.md holds (if not: npm run docs:configuration)', () => {
    const file = new URL('../../docs/configuration.md', import.meta.url);

    expect(readFileSync(file, 'utf8')).toBe(renderConfigurationDocs());
  });

  it('gives every variable a section and a sentence that explains it', () => {
    const variables = documentedVariables();

    expect(variables.length).toBeGreaterThan(40);
    expect(variables.filter(({ section }) => section === undefined)).toEqual([]);
    expect(variables.filter(({ description }) => !description?.endsWith('.'))).toEqual([]);
  });

  it('describes a default that depends on the machine instead of printing this machine’s', () => {
    const machineDependent = ['BRAIN_DATA_DIR', 'BRAIN_CACHE_DIR', 'LOCAL_VORPAL_THREADS', 'STREAM_CONSUMER'];
    const variables = documentedVariables().filter(({ name }) => machineDependent.includes(name));

    expect(variables).toHaveLength(machineDependent.length);
    for (const { defaultValue } of variables) expect(defaultValue).toMatch(/^(the|host) /);
  });

  it('shows defaults, ranges and choices as the schema has them', () => {
    const byName = new Map(documentedVariables().map((variable) => [variable.name, variable]));

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
