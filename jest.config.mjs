const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  setupFiles: ['reflect-metadata'],
  // What is built has the names of what it is built from.
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/packages/[^/]+/dist/', '<rootDir>/.dev/'],
  // The packages as they are, not as they were built last.
  testEnvironmentOptions: { customExportConditions: ['archive-brain-source', 'node', 'node-addons'] },
};

const lane = (displayName, ...folders) => ({
  ...shared,
  displayName,
  testMatch: folders.map((folder) => `<rootDir>/${folder}/**/*.spec.ts`),
});

/** @type {import('jest').Config} */
export default {
  // Each lane is a project: `--selectProjects unit contract`. CONTRIBUTING.md says what belongs in which.
  projects: [
    lane('unit', 'src', 'packages', 'bench', 'test/support'),
    lane('contract', 'test/contract'),
    lane('e2e', 'test/e2e'),
    lane('chaos', 'test/chaos'),
    lane('architecture', 'test/architecture'),
  ],
  reporters: ['default', '<rootDir>/scripts/lane-reporter.mjs'],
  // Two cores: one file runs a language model, another a server; more workers only slow each other down.
  maxWorkers: 2,
  testTimeout: 180_000,
};
