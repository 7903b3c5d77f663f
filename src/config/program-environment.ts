/** The environment that the settings were read from, for handing on to a child process. */
export class ProgramEnvironment {
  constructor(readonly variables: Readonly<NodeJS.ProcessEnv>) {}
}
