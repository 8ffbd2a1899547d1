package main

import (
	"context"

	"github.com/compose-spec/compose-go/v2/cli"
)

// project is the file as Docker Compose sees it: interpolated, checked against the specification's schema, consistent.
func project(file string) (any, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithOsEnv, cli.WithInterpolation(true), cli.WithConsistency(true))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}
