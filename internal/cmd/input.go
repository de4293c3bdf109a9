package cmd

import (
	"fmt"
	"io"
	"os"
)

// openInput opens a file, or stdin for "-". what is said of it in errors.
func openInput(what, file string, stdin io.Reader) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(stdin), nil
	}
	input, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return input, nil
}

// readInput is all of it.
func readInput(what, file string, stdin io.Reader) ([]byte, error) {
	input, err := openInput(what, file, stdin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = input.Close() }()
	raw, err := io.ReadAll(input)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return raw, nil
}
