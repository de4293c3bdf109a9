package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// row is one of the goods.
type row struct {
	Name  string `json:"name"`
	Price int    `json:"price"`
}

var pools sync.Map // address → *sql.DB, so that connections are kept

// goods reads the table from the MySQL server at address.
func goods(ctx context.Context, address string) ([]row, error) {
	db, err := open(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	found, err := db.QueryContext(ctx, "SELECT name, price FROM goods ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", address, err)
	}
	defer found.Close() //nolint:errcheck // only read
	var rows []row
	for found.Next() {
		var r row
		if err := found.Scan(&r.Name, &r.Price); err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}

func open(address string) (*sql.DB, error) {
	if db, ok := pools.Load(address); ok {
		return db.(*sql.DB), nil
	}
	db, err := sql.Open("mysql", "root@tcp("+address+")/shop?timeout=10s&readTimeout=10s")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	kept, loaded := pools.LoadOrStore(address, db)
	if loaded {
		_ = db.Close()
	}
	return kept.(*sql.DB), nil
}

func printRows(ctx context.Context, w io.Writer, address string) error {
	rows, err := goods(ctx, address)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(rows)
}
