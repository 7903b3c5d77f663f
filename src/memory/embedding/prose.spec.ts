import { proseOf } from './prose.js';

const CODE = 'for (const one of all) {\n  print(one);\n}';

describe(proseOf.name, () => {
  it.each([
    ['between sentences', `Why does this print nothing at all?\n\`\`\`js\n${CODE}\n\`\`\`\nIt worked yesterday.`],
    ['of tildes and indented', `Why does this print nothing at all?\n  ~~~~\n${CODE}\n  ~~~~\nIt worked yesterday.`],
  ])('leaves out code %s', (_, text) => {
    expect(proseOf(text).replaceAll(/\s+/g, ' ')).toBe('Why does this print nothing at all? It worked yesterday.');
  });

  it('leaves out all that follows where the fence is not closed', () => {
    expect(proseOf(`Why does this print nothing at all?\n\`\`\`\n${CODE}`)).toBe('Why does this print nothing at all?');
  });

  it('is the whole text where little else is said, and where there is no code', () => {
    for (const text of [`Fix this:\n\`\`\`\n${CODE}\n\`\`\``, 'A fence looks like ``` in a line.', 'Tea, please.']) {
      expect(proseOf(text)).toBe(text);
    }
  });
});
