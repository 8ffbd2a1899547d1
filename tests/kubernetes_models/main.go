// Reads one question a line: {"manifest": {...}, "old": {...}, "partial": bool}; answers with one list of problems a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// Question is one object as it would be sent to an API server. Old: what is there already. Partial: some values are not
// known yet and left out, so that only names and types can be judged.
type Question struct {
	Manifest json.RawMessage `json:"manifest"`
	Old      json.RawMessage `json:"old"`
	Partial  bool            `json:"partial"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var question Question
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		problems := judge(question)
		if problems == nil {
			problems = []string{}
		}
		answer, _ := json.Marshal(problems)
		fmt.Println(string(answer))
	}
}
