// The law of the house: which part of src, packages, bench and test may import which. Checked by
// test/architecture/layers.spec.ts among the tests, and by hand with `npx depcruise src packages bench test`.
// docs/architecture.md explains it and shows the picture.

// The brain, from the top down. A room (a folder of src, or one of the few files beside the folders) may import the
// floors below its own and nothing else; rooms on one floor do not know each other.
const floors = [
  ['main.ts'],
  ['create-app.ts'],
  ['app.module.ts', 'commands'],
  ['settings.ts'],
  ['health', 'metrics'],
  ['chat', 'memory-worker', 'perplexity'],
  ['memory'],
  ['stream', 'sessions', 'vorpal', 'http', 'security'],
  ['infra/storage'],
  ['infra/lifecycle', 'infra/redis', 'infra/sqlite'],
  ['infra/files'],
  ['observability'],
  ['config'],
  ['shared'],
];

// Each package with the packages that it may import. None of them imports the brain.
const packages = {
  common: [],
  'vllm-protocol': [],
  'local-vorpal': ['common', 'vllm-protocol'],
};

// What talks to the world outside, and our own packages, have one home each, so that replacing one changes one folder.
const homes = {
  ioredis: ['infra/redis'],
  'node:sqlite': ['infra/sqlite'],
  'sqlite-vec': ['infra/sqlite'],
  axios: ['vorpal'],
  '@nestjs/axios': ['vorpal'],
  // bench/ has the least that a proxy can be, to measure the brain against.
  undici: ['vorpal', 'bench'],
  cockatiel: ['vorpal'],
  // bench/ measures the library alone beside the local Vorpal.
  'node-llama-cpp': ['packages/local-vorpal', 'bench'],
  '@huggingface/transformers': ['packages/local-vorpal'],
  yauzl: ['packages/local-vorpal'],
  'cli-progress': ['observability', 'packages/local-vorpal'],
  'prom-client': ['packages/common'],
  fastify: ['http', 'packages/local-vorpal', 'bench'],
  '@nestjs/platform-fastify': ['http', 'create-app.ts'],
  '@nestjs/config': ['config'],
  'env-paths': ['infra/storage', 'packages/local-vorpal'],
};
const packageHomes = {
  // The rest of the brain has these by the doors of the three rooms.
  common: ['shared', 'observability', 'config'],
  'vllm-protocol': ['vorpal', 'http', 'chat'],
};

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
const isFile = (room) => room.endsWith('.ts');
const isBeside = (room) => room.startsWith('packages/') || room === 'bench';
/** Matches every file of the rooms, of src unless they are packages or bench. */
const filesOf = (rooms) =>
  `^(?:${rooms.map((room) => (isBeside(room) ? '' : 'src/') + escape(room) + (isFile(room) ? '$' : '/')).join('|')})`;
const program = '^(?:src|packages)/';
const sources = '^(?:src|packages|bench)/';

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
  from: { path: sources, pathNot: [filesOf([room]), unitTest] },
  to: { path: filesOf([room]), pathNot: `${filesOf([room])}index\\.ts$` },
}));

const oneHome = Object.entries(homes).map(([driver, home]) => ({
  name: `home-of-${driver}`,
  comment: `${driver} is imported in ${home.join(' and ')} only.`,
  severity: 'error',
  from: { path: sources, pathNot: [filesOf(home), unitTest] },
  to: { path: driver.startsWith('node:') ? `^(?:node:)?${driver.slice(5)}$` : `^node_modules/${escape(driver)}/` },
}));

const packageRules = Object.entries(packages).flatMap(([name, allowed]) => [
  {
    name: `package-${name}`,
    comment: allowed.length === 0 ? 'It stands by itself.' : `Of ours it imports ${allowed.join(' and ')} only.`,
    severity: 'error',
    from: { path: `^packages/${name}/`, pathNot: unitTest },
    to: { path: sources, pathNot: filesOf([name, ...allowed].map((other) => `packages/${other}`)) },
  },
]);

const packageDoors = Object.entries(packageHomes).map(([name, home]) => ({
  name: `home-of-${name}`,
  comment: `The brain imports ${name} in ${home.join(' and ')} only.`,
  severity: 'error',
  from: { path: '^src/', pathNot: [filesOf(home), unitTest] },
  to: { path: `^packages/${name}/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...oneWay,
    ...throughTheDoor,
    ...oneHome,
    ...packageRules,
    ...packageDoors,
    {
      name: 'no-room-without-a-floor',
      comment: 'A new folder takes its place in the table at the top of this file first.',
      severity: 'error',
      from: { path: '^src/', pathNot: [filesOf(rooms), '^src/[^/]+\\.spec\\.ts$'] },
      to: {},
    },
    {
      name: 'separate-programs',
      comment:
        'The brain starts the local Vorpal as a process; importing more of it than its settings would load ' +
        'a language model into the server.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^packages/local-vorpal/', pathNot: '^packages/local-vorpal/src/settings\\.ts$' },
    },
    {
      name: 'package-by-its-door',
      comment: 'What a package shows to others is in its index.ts, or named in the exports of its package.json.',
      severity: 'error',
      from: { path: '^(?:src|bench|packages/([^/]+))/', pathNot: unitTest },
      to: {
        path: '^packages/([^/]+)/src/',
        pathNot: [
          '^packages/$1/',
          '^packages/(?:common|vllm-protocol)/src/index\\.ts$',
          '^packages/local-vorpal/src/(?:settings|models/index)\\.ts$',
        ],
      },
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
      from: { path: sources },
      to: { circular: true },
    },
    {
      name: 'no-test-in-the-program',
      comment: 'The image holds neither tests nor benchmarks.',
      severity: 'error',
      from: { path: program, pathNot: unitTest },
      to: { path: ['^test/', '^bench/', '^scripts/', unitTest] },
    },
    {
      name: 'no-development-package-in-the-program',
      comment: 'The image is installed without them.',
      severity: 'error',
      from: { path: program, pathNot: unitTest },
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
    exclude: { path: '^packages/[^/]+/dist/' },
    tsConfig: { fileName: 'tsconfig.json' },
    // A type is knowledge, too: without this, `import type` would be a way around the law.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['archive-brain-source', 'import', 'node', 'default', 'types'],
    },
  },
};
