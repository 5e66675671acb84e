import papermill; papermill.execute_notebook('/tmp/x/c/in.ipynb', '/tmp/x/c/out.ipynb', progress_bar=False)
