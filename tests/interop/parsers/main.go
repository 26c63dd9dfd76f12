// SPDX-License-Identifier: Apache-2.0

// The parsers that Docker itself uses, as one small program for the tests of deploy/:
//
//	parsers compose FILE...     load each file as `docker compose config` does, print the projects as a JSON array
//	parsers dockerfile FILE...  parse each Dockerfile into build stages as BuildKit does, print them as a JSON array
//
// Exit code 1 and a message when a file is refused.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type stage struct {
	Name     string   `json:"name"`
	Base     string   `json:"base"`
	Commands []string `json:"commands"`
}

func loadCompose(path string) (any, error) {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithOsEnv, cli.WithName("test"))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func parseDockerfile(path string) (any, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	tree, err := parser.Parse(file)
	if err != nil {
		return nil, err
	}
	if len(tree.Warnings) > 0 {
		return nil, fmt.Errorf("warning: %s", tree.Warnings[0].Short)
	}
	parsed, _, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		return nil, err
	}
	var stages []stage
	for _, one := range parsed {
		s := stage{Name: one.Name, Base: one.BaseName}
		for _, command := range one.Commands {
			s.Commands = append(s.Commands, fmt.Sprint(command))
		}
		stages = append(stages, s)
	}
	return stages, nil
}

func main() {
	parse := map[string]func(string) (any, error){"compose": loadCompose, "dockerfile": parseDockerfile}
	if len(os.Args) < 3 || parse[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: parsers compose|dockerfile FILE...")
		os.Exit(2)
	}
	var all []any
	for _, path := range os.Args[2:] {
		one, err := parse[os.Args[1]](path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
		all = append(all, one)
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
