import { type DynamicModule, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule, registerAs } from '@nestjs/config';
import { ProgramEnvironment } from './program-environment.js';
import type { Settings } from './settings.js';

/** Makes the settings of each room injectable by its `KEY`, everywhere. */
@Module({})
export class ConfigModule {
  static forRoot(settings: Settings): DynamicModule {
    const load = [...settings.rooms].map(([room, values]) => registerAs(room, () => values));
    return {
      module: ConfigModule,
      global: true,
      imports: [NestConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, ignoreEnvVars: true, load })],
      providers: [{ provide: ProgramEnvironment, useValue: new ProgramEnvironment(settings.environment) }],
      exports: [ProgramEnvironment],
    };
  }
}
