// The law of the house: which part of `src` may import which. Checked by test/architecture/layers.spec.ts among the tests,
// and by hand with `npx depcruise src`. docs/architecture.md explains it and shows the picture.

// From the top down. A room (a folder, or one of the few files beside the folders) may import the floors below its own and
// nothing else; rooms on one floor do not know each other.
const floors = [
  // Measures the whole of it.
  ['main.ts', 'evaluation'],
  ['create-app.ts'],
  ['app.module.ts'],
  ['health', 'metrics'],
  ['chat', 'memory-worker', 'perplexity', 'commands'],
  ['memory'],
  ['stream', 'sessions', 'vorpal', 'http', 'security'],
  ['infra/storage'],
  ['infra/lifecycle', 'infra/redis', 'infra/sqlite'],
  ['infra/files'],
  // A program of its own, which the brain knows by its HTTP address only.
  ['local-vorpal'],
  ['observability'],
  ['config'],
  ['shared', 'vllm-protocol'],
];

// A package that talks to the world outside has one home, so that replacing it changes one folder.
const homes = {
  ioredis: ['infra/redis'],
  'node:sqlite': ['infra/sqlite'],
  'sqlite-vec': ['infra/sqlite'],
  axios: ['vorpal'],
  '@nestjs/axios': ['vorpal'],
  // The evaluation has the least that a proxy can be, to measure the brain against.
  undici: ['vorpal', 'evaluation'],
  cockatiel: ['vorpal'],
  'node-llama-cpp': ['local-vorpal'],
  '@huggingface/transformers': ['local-vorpal'],
  yauzl: ['local-vorpal'],
  'cli-progress': ['observability', 'local-vorpal'],
  'prom-client': ['observability'],
  fastify: ['http', 'local-vorpal', 'evaluation'],
  '@nestjs/platform-fastify': ['http', 'create-app.ts'],
  '@nestjs/config': ['config'],
  'env-paths': ['config'],
};

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
const isFile = (room) => room.endsWith('.ts');
/** Matches every file of the rooms. */
const filesOf = (rooms) => `^src/(?:${rooms.map((room) => escape(room) + (isFile(room) ? '$' : '/')).join('|')})`;

const rooms = floors.flat();
const folders = rooms.filter((room) => !isFile(room));
const unitTest = '\\.spec\\.ts$';

const oneWay = floors.flatMap((floor, index) =>
  floor.map((room) => ({
    name: `floor-of-${room}`,
    comment: 'An import goes to a lower floor or stays in its own folder.',
    severity: 'error',
    from: { path: filesOf([room]), pathNot: unitTest },
    to: { path: '^src/', pathNot: filesOf([room, ...floors.slice(index + 1).flat()]) },
  })),
);

const throughTheDoor = folders.map((room) => ({
  name: `door-of-${room}`,
  comment: 'A module is entered by its index.ts.',
  severity: 'error',
  from: { path: '^src/', pathNot: [filesOf([room]), unitTest] },
  to: { path: filesOf([room]), pathNot: `${filesOf([room])}index\\.ts$` },
}));

const oneHome = Object.entries(homes).map(([driver, home]) => ({
  name: `home-of-${driver}`,
  comment: `${driver} is imported in ${home.join(' and ')} only.`,
  severity: 'error',
  from: { path: '^src/', pathNot: [filesOf(home), unitTest] },
  to: { path: driver.startsWith('node:') ? `^(?:node:)?${driver.slice(5)}$` : `^node_modules/${escape(driver)}/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...oneWay,
    ...throughTheDoor,
    ...oneHome,
    {
      name: 'no-room-without-a-floor',
      comment: 'A new folder takes its place in the table at the top of this file first.',
      severity: 'error',
      from: { path: '^src/', pathNot: filesOf(rooms) },
      to: {},
    },
    {
      name: 'separate-programs',
      comment:
        'The brain starts the local Vorpal as a process; importing it would load a language model into the server.',
      severity: 'error',
      from: { path: '^src/', pathNot: [filesOf(['local-vorpal']), unitTest] },
      to: { path: filesOf(['local-vorpal']) },
    },
    {
      name: 'adapters-behind-their-port',
      comment: 'An adapter is named only in its module file, which chooses it.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/[^/]+/adapters/', '^src/[^/]+/[^/]+\\.module\\.ts$', unitTest] },
      to: { path: '^src/[^/]+/adapters/' },
    },
    {
      name: 'no-circle',
      comment: 'Two modules that need each other are one module, or lack a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-test-in-the-program',
      comment: 'The image holds neither tests nor their helpers.',
      severity: 'error',
      from: { path: '^src/', pathNot: unitTest },
      to: { path: ['^test/', '^scripts/', unitTest] },
    },
    {
      name: 'no-development-package-in-the-program',
      comment: 'The image is installed without them.',
      severity: 'error',
      from: { path: '^src/', pathNot: unitTest },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-import-into-nothing',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    // A type is knowledge, too: without this, `import type` would be a way around the law.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
