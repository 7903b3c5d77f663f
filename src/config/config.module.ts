import { type DynamicModule, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule, ConfigService } from '@nestjs/config';
import { ProgramEnvironment } from './program-environment.js';
import { readSettings, Settings } from './settings.js';

/** Makes the frozen {@link Settings} injectable everywhere; they are read once, from `environment`. */
@Module({})
export class ConfigModule {
  static forRoot(environment: NodeJS.ProcessEnv): DynamicModule {
    const settings = readSettings(environment);
    return {
      module: ConfigModule,
      global: true,
      imports: [NestConfigModule.forRoot({ ignoreEnvFile: true, cache: true, load: [() => ({ settings })] })],
      providers: [
        { provide: ProgramEnvironment, useValue: new ProgramEnvironment(environment) },
        {
          provide: Settings,
          inject: [ConfigService],
          useFactory: (config: ConfigService): Settings => config.getOrThrow<Settings>('settings'),
        },
      ],
      exports: [Settings, ProgramEnvironment],
    };
  }
}
