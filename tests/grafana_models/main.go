// Reads calls on Grafana's API, a JSON line each, and answers each with a line: its operation and what is wrong with
// the request and with the answer, as Grafana's own published client sees them.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"reflect"
	"strings"

	"github.com/go-openapi/runtime"
)

type call struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	Status  int               `json:"status"`
	Answer  json.RawMessage   `json:"answer"`
}

type verdict struct {
	Operation string   `json:"operation"`
	Request   []string `json:"request"`
	Answer    []string `json:"answer"`
}

func main() {
	operations := allOperations()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var made call
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&made); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := out.Encode(judge(operations, made)); err != nil {
			panic(err)
		}
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
}

func judge(operations []operation, made call) verdict {
	found := verdict{Request: []string{}, Answer: []string{}}
	path, query, _ := strings.Cut(made.Path, "?")
	op, ok := operationOf(operations, made.Method, path)
	if !ok {
		found.Request = append(found.Request, fmt.Sprintf("no operation %s %s", made.Method, path))
		return found
	}
	found.Operation = op.ID
	given, err := url.ParseQuery(query)
	if err != nil {
		found.Request = append(found.Request, err.Error())
	}
	for name := range given {
		if !op.queries[name] {
			found.Request = append(found.Request, fmt.Sprintf("no query parameter %s", name))
		}
	}
	for name := range made.Headers {
		if !op.headers[strings.ToLower(name)] {
			found.Request = append(found.Request, fmt.Sprintf("no header %s", name))
		}
	}
	found.Request = append(found.Request, bodyProblems(op, made.Body)...)
	if made.Status != 0 {
		found.Answer = append(found.Answer, answerProblems(op, made)...)
	}
	return found
}

func bodyProblems(op operation, body json.RawMessage) []string {
	none := len(body) == 0 || bytes.Equal(body, []byte("null"))
	if op.body == nil && none {
		return nil
	}
	if op.body == nil {
		return []string{"takes no body"}
	}
	if none {
		return []string{"needs a body"}
	}
	model := op.body
	if model.Kind() == reflect.Pointer {
		model = model.Elem()
	}
	return decode(body, reflect.New(model).Interface())
}

// strictly decodes an answer into the model of its status code, and keeps what is wrong.
type strictly struct{ problems []string }

func (s *strictly) Consume(from io.Reader, into interface{}) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	s.problems = append(s.problems, decode(text, into)...)
	return nil
}

type response struct{ made call }

func (r response) Code() int                  { return r.made.Status }
func (r response) Message() string            { return "" }
func (r response) GetHeader(string) string    { return "" }
func (r response) GetHeaders(string) []string { return nil }
func (r response) Body() io.ReadCloser        { return io.NopCloser(bytes.NewReader(r.made.Answer)) }

func answerProblems(op operation, made call) []string {
	consumer := &strictly{}
	_, err := op.Reader.ReadResponse(response{made}, consumer)
	if unexpected, ok := err.(*runtime.APIError); ok {
		return append(consumer.problems, fmt.Sprintf("no answer %d of %s", unexpected.Code, op.ID))
	}
	return consumer.problems
}
