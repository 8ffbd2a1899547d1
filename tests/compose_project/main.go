// Docker's own readers of the two files that docker compose is given here, each printing what it made of a file as JSON, or
// what is wrong with it:
//
//	compose_project project docker-compose.yml
//	compose_project dockerfile Dockerfile
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	readers := map[string]func(string) (any, error){"project": project, "dockerfile": dockerfile}
	read, known := readers[os.Args[1]]
	if !known {
		fail(fmt.Errorf("unknown reader: %s", os.Args[1]))
	}
	found, err := read(os.Args[2])
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
