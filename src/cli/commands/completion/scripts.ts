export type Shell = "bash" | "zsh" | "fish";

/**
 * The scripts are short and never change with the commands: each asks `elafros __complete WORD...`, which answers with one
 * candidate a line, a tab, and what it is. The last word is the one being completed and may be empty.
 */
export const scripts: Record<Shell, string> = {
  bash: `_elafros() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(elafros __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _elafros elafros
`,
  zsh: `#compdef elafros
_elafros() {
  local -a candidates
  local line
  while IFS= read -r line; do
    candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(elafros __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#candidates} )); then _describe elafros candidates; else _files; fi
}
if [ "\${funcstack[1]}" = "_elafros" ]; then _elafros "$@"; else compdef _elafros elafros; fi
`,
  fish: `function __elafros_complete
  set -l words (commandline -opc) (commandline -ct)
  elafros __complete -- $words[2..-1] 2>/dev/null
end
complete -c elafros -a '(__elafros_complete)'
`,
};
