package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type step struct {
	Kind    string            `json:"kind"`
	From    string            `json:"from,omitempty"`
	Sources []string          `json:"sources,omitempty"`
	Target  string            `json:"target,omitempty"`
	Command string            `json:"command,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
}

type stage struct {
	Name  string `json:"name"`
	Base  string `json:"base"`
	Steps []step `json:"steps"`
}

type built struct {
	Arguments []string `json:"arguments"`
	Stages    []stage  `json:"stages"`
}

// dockerfile is the file as BuildKit reads it; what its linter warns of is an error.
func dockerfile(file string) (any, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	parsed, err := parser.Parse(opened)
	if err != nil {
		return nil, err
	}
	warned := []string{}
	for _, warning := range parsed.Warnings {
		warned = append(warned, warning.Short)
	}
	warn := func(rule, _, _, message string, _ []parser.Range) {
		warned = append(warned, fmt.Sprintf("%s: %s", rule, message))
	}
	stages, arguments, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{Warn: warn}))
	if err != nil {
		return nil, err
	}
	if len(warned) > 0 {
		return nil, fmt.Errorf("%s", strings.Join(warned, "\n"))
	}
	found := built{}
	for _, argument := range arguments {
		for _, pair := range argument.Args {
			found.Arguments = append(found.Arguments, pair.Key)
		}
	}
	for _, from := range stages {
		made := stage{Name: from.Name, Base: from.BaseName, Steps: []step{}}
		for _, command := range from.Commands {
			made.Steps = append(made.Steps, stepOf(command))
		}
		found.Stages = append(found.Stages, made)
	}
	return found, nil
}

func stepOf(command instructions.Command) step {
	made := step{Kind: command.Name()}
	switch found := command.(type) {
	case *instructions.CopyCommand:
		made.From, made.Sources, made.Target = found.From, found.SourcePaths, found.DestPath
	case *instructions.RunCommand:
		made.Command = strings.Join(found.CmdLine, " ")
	case *instructions.EntrypointCommand:
		made.Command = strings.Join(found.CmdLine, " ")
	case *instructions.UserCommand:
		made.Command = found.User
	case *instructions.EnvCommand:
		made.Env = map[string]string{}
		for _, pair := range found.Env {
			made.Env[pair.Key] = pair.Value
		}
	}
	return made
}
