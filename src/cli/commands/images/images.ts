import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { imagesCopyCommand } from "./copy.ts";

export function imagesCommand(factory: Factory): Command {
  return new Command("images").description("Copy images to a registry").addCommand(imagesCopyCommand(factory));
}
